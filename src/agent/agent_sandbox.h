/* SPDX-License-Identifier: PostgreSQL */
/* What the agent asks of the kernel, and nothing else (seccomp). */
#ifndef KEYTURN_AGENT_SANDBOX_H
#define KEYTURN_AGENT_SANDBOX_H

#include <stdbool.h>

#include "base/reason.h"

/*
 * From here on, for this thread and those that it starts, a system call that
 * the agent has no use for does not exist (ENOSYS), and one that only an
 * intruder has a use for ends the process.  programs: stores may start programs
 * (AWS's credential_process); then only the latter is so, but for execve().  Does nothing where it was built without
 * libseccomp, and in the sanitizers' builds.
 */
enum status agent_sandbox_enter(bool programs, struct reason *why);

#endif
