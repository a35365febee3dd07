/* SPDX-License-Identifier: PostgreSQL */
/* For tests of what a sanitizer replaces or rearranges. */
#ifndef KEYTURN_TEST_SANITIZED_H
#define KEYTURN_TEST_SANITIZED_H

#include <stdbool.h>

#ifdef __has_feature
#define SANITIZED_CLANG                      \
	(__has_feature(address_sanitizer) || \
	 __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer))
#else
#define SANITIZED_CLANG 0
#endif

static inline bool sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#else
	return SANITIZED_CLANG;
#endif
}

#endif
