/* SPDX-License-Identifier: PostgreSQL */
/*
 * For reading PEM.  An encrypted key is refused before a byte is derived: without
 * this OpenSSL asks on the terminal, and a passphrase of no bytes would be tried
 * for as many rounds as the file says.
 */
#ifndef KEYTURN_NO_PASSPHRASE_H
#define KEYTURN_NO_PASSPHRASE_H

static inline int no_passphrase(char *buf, int size, int writing, void *self)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)self;
	return -1;
}

#endif
