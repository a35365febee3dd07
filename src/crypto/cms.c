/* SPDX-License-Identifier: PostgreSQL */
/* Encrypts for the holders of certificates; must never encrypt for some of those
 * that were named, nor for a key that others could find. */
#include "crypto/cms.h"

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/now.h"
#include "crypto/certs_pem.h"
#include "crypto/no_passphrase.h"

#define FILE_MAX     65536
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 16384

struct cms_recipient {
	X509 *x;
	bool rsa;
	char fingerprint[CERTS_FINGERPRINT_SIZE];
	char subject[CERTS_NAME_SIZE];
};

void cms_recipient_free(struct cms_recipient *r)
{
	if (!r)
		return;
	X509_free(r->x);
	free(r);
}

const char *cms_recipient_fingerprint(const struct cms_recipient *r)
{
	return r->fingerprint;
}

const char *cms_recipient_subject(const struct cms_recipient *r)
{
	return r->subject;
}

/* ---- a certificate ------------------------------------------------------------- */

static enum status refuse(const char *path, struct reason *why,
			  const char *says)
{
	return reason_set(why, STATUS_REFUSED,
			  "--to %s: %s; nothing was offered", path, says);
}

/* Exactly one, and nothing that is nobody else's business. */
static enum status read_one(const char *path, const struct text *pem,
			    X509 **ret, struct reason *why)
{
	BIO *bio = BIO_new_mem_buf(text_str(pem), (int)pem->len);
	X509 *x = NULL, *more = NULL;
	enum status s = STATUS_OK;

	if (strstr(text_str(pem), "PRIVATE KEY-----")) {
		BIO_free(bio);
		return refuse(path, why,
			      "there is a private key in it, which belongs to "
			      "the partner alone: ask for the certificate, and "
			      "for another key");
	}
	if (bio)
		x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
	if (x)
		more = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
	if (!x)
		s = refuse(
			path, why,
			"there is no certificate (PEM) in it; openssl x509 "
			"-inform der -out CERT.pem makes one of another form");
	else if (more)
		s = refuse(
			path, why,
			"there are several certificates in it; give each its "
			"own --to, and leave those of issuers out");
	if (s == STATUS_OK) {
		*ret = x;
		x = NULL;
	}
	X509_free(x);
	X509_free(more);
	BIO_free(bio);
	ERR_clear_error();
	return s;
}

static enum status check_time(const char *path, const X509 *x, int64_t now_us,
			      struct reason *why)
{
	time_t now = (time_t)(now_us / NOW_SECOND);

	/* 0 is an error: a time that cannot be read. */
	if (X509_cmp_time(X509_get0_notBefore(x), &now) != -1)
		return refuse(path, why,
			      "the certificate is not valid yet; is the clock "
			      "right?");
	if (X509_cmp_time(X509_get0_notAfter(x), &now) != 1)
		return refuse(
			path, why,
			"the certificate has ended; ask the partner for a "
			"new one");
	return STATUS_OK;
}

/* What it says that it is for; one that says nothing is for everything. */
static enum status check_use(const char *path, struct cms_recipient *r,
			     struct reason *why)
{
	uint32_t use = X509_get_key_usage(r->x);
	uint32_t extended = X509_get_extended_key_usage(r->x);
	uint32_t wanted = r->rsa ? KU_KEY_ENCIPHERMENT : KU_KEY_AGREEMENT;

	if (X509_get_extension_flags(r->x) & EXFLAG_INVALID)
		return refuse(path, why,
			      "the certificate has extensions that cannot be "
			      "read");
	if (use != UINT32_MAX && !(use & wanted))
		return refuse(path, why,
			      "the certificate is for another use: its key "
			      "usage does not have "
			      "keyEncipherment (RSA) or keyAgreement (EC)");
	if (extended != UINT32_MAX && !(extended & (XKU_SMIME | XKU_ANYEKU)))
		return refuse(
			path, why,
			"the certificate is for another use: its extended "
			"key usage does not have emailProtection");
	return STATUS_OK;
}

static bool is_good_curve(EVP_PKEY *key)
{
	static const char *const good[] = { "prime256v1", "P-256",
					    "secp384r1",  "P-384",
					    "secp521r1",  "P-521" };
	char name[64];

	if (EVP_PKEY_get_group_name(key, name, sizeof(name), NULL) != 1)
		return false;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (strcmp(name, good[i]) == 0)
			return true;
	return false;
}

static enum status check_key(const char *path, struct cms_recipient *r,
			     struct reason *why)
{
	EVP_PKEY *key = X509_get0_pubkey(r->x);
	int bits = key ? EVP_PKEY_get_bits(key) : 0;

	r->rsa = key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
	if (!r->rsa && !(key && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC))
		return refuse(
			path, why,
			"its key takes no messages; it must be RSA or EC");
	if (r->rsa && (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX))
		return refuse(path, why,
			      "its RSA key is too weak, or too large; it must "
			      "have 2048 to 16384 bits");
	if (!r->rsa && !is_good_curve(key))
		return refuse(path, why,
			      "its curve is not one of P-256, P-384 and P-521");
	return STATUS_OK;
}

static void name_it(struct cms_recipient *r)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes = NULL;
	long n = 0;

	if (bio &&
	    X509_NAME_print_ex(bio, X509_get_subject_name(r->x), 0,
			       XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0)
		n = BIO_get_mem_data(bio, &bytes);
	if (n > 0)
		text_escape(r->subject, sizeof(r->subject), bytes, (size_t)n);
	BIO_free(bio);
}

enum status cms_recipient_load(const char *path, int64_t now_us,
			       struct cms_recipient **ret, struct reason *why)
{
	struct text pem = text_make(FILE_MAX);
	struct cms_recipient *r = calloc(1, sizeof(*r));
	enum status s = r ? file_read(path, &pem, why) : reason_no_memory(why);

	if (r && s != STATUS_OK)
		s = reason_wrap(why, STATUS_REFUSED, "--to");
	if (s == STATUS_OK)
		s = read_one(path, &pem, &r->x, why);
	if (s == STATUS_OK)
		s = check_time(path, r->x, now_us, why);
	if (s == STATUS_OK)
		s = check_key(path, r, why);
	if (s == STATUS_OK)
		s = check_use(path, r, why);
	if (s == STATUS_OK)
		s = certs_pem_fingerprint(text_str(&pem), pem.len,
					  r->fingerprint, why);
	if (s == STATUS_OK) {
		name_it(r);
		*ret = r;
		r = NULL;
	}
	cms_recipient_free(r);
	text_free(&pem);
	return s;
}

/* ---- a message -------------------------------------------------------------------- */

/* CMS's defaults are PKCS#1 v1.5 and SHA-1. */
static bool choose_transport(CMS_RecipientInfo *info, bool rsa)
{
	EVP_PKEY_CTX *p = CMS_RecipientInfo_get0_pkey_ctx(info);

	if (!p)
		return false;
	if (rsa)
		return EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_OAEP_PADDING) >
			       0 &&
		       EVP_PKEY_CTX_set_rsa_oaep_md(p, EVP_sha256()) > 0 &&
		       EVP_PKEY_CTX_set_rsa_mgf1_md(p, EVP_sha256()) > 0;
	return EVP_PKEY_CTX_set_ecdh_kdf_md(p, EVP_sha256()) > 0;
}

static bool add_recipients(CMS_ContentInfo *cms,
			   struct cms_recipient *const *recipients, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		CMS_RecipientInfo *info = CMS_add1_recipient_cert(
			cms, recipients[i]->x, CMS_KEY_PARAM);

		if (!info || !choose_transport(info, recipients[i]->rsa))
			return false;
	}
	return n > 0;
}

static bool write_message(CMS_ContentInfo *cms, BIO *out, struct text *ret)
{
	char *bytes = NULL;
	long n;

	/* From memory: the content is in it already. */
	if (SMIME_write_CMS(out, cms, NULL, CMS_BINARY) != 1)
		return false;
	n = BIO_get_mem_data(out, &bytes);
	if (n <= 0)
		return false;
	text_add_bytes(ret, bytes, (size_t)n);
	return text_status(ret) == STATUS_OK;
}

enum status cms_seal(const struct secret *plain,
		     struct cms_recipient *const *recipients, size_t n,
		     struct text *ret, struct reason *why)
{
	BIO *in = BIO_new_mem_buf(secret_bytes(plain), (int)secret_len(plain));
	BIO *out = BIO_new(BIO_s_mem());
	CMS_ContentInfo *cms = CMS_encrypt(NULL, NULL, EVP_aes_256_cbc(),
					   CMS_PARTIAL | CMS_BINARY);
	enum status s = STATUS_OK;

	if (!in || !out || !cms || !add_recipients(cms, recipients, n) ||
	    CMS_final(cms, in, NULL, CMS_BINARY) != 1 ||
	    !write_message(cms, out, ret))
		s = reason_set(why, STATUS_ERROR,
			       "the password cannot be encrypted (CMS)");
	ERR_clear_error();
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	BIO_free(out);
	return s;
}
