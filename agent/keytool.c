/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keytool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/wire.h"

#define PEM_MAX 16384 /* RSA-4096 has 3300 bytes; admins put comments around it */
#define RSA_MIN_BITS 2048
#define RSA_MAX_BITS 4096

const char *const keytool_types[] = {
	"ed25519", "ed448", "ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096",
	NULL,
};

int keytool_generate(const char *type, EVP_PKEY **ret)
{
	EVP_PKEY *key = NULL;

	if (!strcmp(type, "ed25519"))
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	else if (!strcmp(type, "ecdsa-p256"))
		key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	else if (!strcmp(type, "ecdsa-p384"))
		key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
	else if (!strcmp(type, "ed448"))
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
	else if (!strcmp(type, "rsa-2048"))
		key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	else if (!strcmp(type, "rsa-3072"))
		key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)3072);
	else if (!strcmp(type, "rsa-4096"))
		key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)4096);
	else
		return -EINVAL;
	if (!key)
		return -EIO;
	*ret = key;
	return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int keytool_save(EVP_PKEY *key, const char *path)
{
	BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when freed */
	char *pem;
	long len;
	int error = -EIO, fd;

	if (!bio || !PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL))
		goto out;
	len = BIO_get_mem_data(bio, &pem);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		error = -errno;
		goto out;
	}
	error = write_all(fd, pem, (size_t)len);
	if (close(fd) < 0 && !error)
		error = -errno;
	if (error)
		unlink(path);
out:
	BIO_free(bio);
	return error;
}

/* Instead of OpenSSL's own, which would ask at the terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)arg;
	return -1;
}

int keytool_load(const char *path, EVP_PKEY **ret)
{
	char pem[PEM_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error = 0;
	EVP_PKEY *key = NULL;
	size_t len = 0;
	ssize_t n;
	BIO *bio;

	if (fd < 0)
		return -errno;
	while (len < sizeof(pem) && (n = read(fd, pem + len, sizeof(pem) - len)) != 0) {
		if (n < 0 && errno != EINTR) {
			error = -errno;
			break;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	if (!error) {
		bio = BIO_new_mem_buf(pem, (int)len);
		key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
		BIO_free(bio);
		error = key ? 0 : -EBADMSG;
	}
	OPENSSL_cleanse(pem, sizeof(pem));
	if (!error)
		*ret = key;
	return error;
}

/* ---- the public key field */

/* RFC 3110 section 2, with the lengths of RFC 4025 section 2.6: exponent length, exponent, modulus.
 */
static int field_rsa(EVP_PKEY *key, struct wire_writer *w)
{
	BIGNUM *e = NULL, *n = NULL;
	int e_len, n_len, error = -ENOTSUP;
	uint8_t *p;

	if (!EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) ||
		!EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n))
		goto out;
	/* BN_bn2bin() writes no leading zero, which RFC 3110 prohibits */
	e_len = BN_num_bytes(e);
	n_len = BN_num_bytes(n);
	if (e_len < 1 || e_len > RSA_MAX_BITS / 8)
		goto out;
	if (e_len < 256) {
		wire_put_u8(w, (uint8_t)e_len);
	} else {
		wire_put_u8(w, 0);
		wire_put_u16(w, (uint16_t)e_len);
	}
	p = wire_reserve(w, (size_t)e_len);
	if (p)
		BN_bn2bin(e, p);
	p = wire_reserve(w, (size_t)n_len);
	if (p)
		BN_bn2bin(n, p);
	error = w->bad ? -ENOTSUP : 0;
out:
	BN_free(e);
	BN_free(n);
	return error;
}

/* RFC 6605 section 4: x and y, each as long as the field; no point compression, no leading byte. */
static int field_ecdsa(EVP_PKEY *key, size_t coordinate, struct wire_writer *w)
{
	BIGNUM *x = NULL, *y = NULL;
	uint8_t *p = wire_reserve(w, 2 * coordinate);
	int error = -ENOTSUP;

	if (p && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x) &&
		EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y) &&
		BN_bn2binpad(x, p, (int)coordinate) >= 0 &&
		BN_bn2binpad(y, p + coordinate, (int)coordinate) >= 0)
		error = 0;
	BN_free(x);
	BN_free(y);
	return error;
}

/* RFC 8080 section 3: the octets of RFC 8032. */
static int field_eddsa(EVP_PKEY *key, size_t expected, struct wire_writer *w)
{
	uint8_t *p = wire_reserve(w, expected);
	size_t len = expected;

	return p && EVP_PKEY_get_raw_public_key(key, p, &len) && len == expected ? 0 : -ENOTSUP;
}

static int public_field(EVP_PKEY *key, struct keytool_public *pub)
{
	struct wire_writer w = wire_writer(pub->field, sizeof(pub->field));
	char curve[32] = "";
	int bits = EVP_PKEY_get_bits(key), error = -ENOTSUP;

	if (EVP_PKEY_is_a(key, "RSA") && bits >= RSA_MIN_BITS && bits <= RSA_MAX_BITS) {
		pub->algorithm = KEYTOOL_RSA;
		snprintf(pub->name, sizeof(pub->name), "RSA-%d", bits);
		error = field_rsa(key, &w);
	} else if (EVP_PKEY_is_a(key, "EC") &&
		EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL) &&
		(!strcmp(curve, "prime256v1") || !strcmp(curve, "secp384r1"))) {
		pub->algorithm = KEYTOOL_ECDSA;
		snprintf(pub->name, sizeof(pub->name), "ECDSA-P%d", bits);
		error = field_ecdsa(key, (size_t)bits / 8, &w);
	} else if (EVP_PKEY_is_a(key, "ED25519")) {
		pub->algorithm = KEYTOOL_EDDSA;
		bits = 256;
		strcpy(pub->name, "Ed25519");
		error = field_eddsa(key, 32, &w);
	} else if (EVP_PKEY_is_a(key, "ED448")) {
		pub->algorithm = KEYTOOL_EDDSA;
		bits = 456;
		strcpy(pub->name, "Ed448");
		error = field_eddsa(key, 57, &w);
	}
	pub->bits = (uint16_t)bits;
	pub->field_len = (uint16_t)w.pos;
	return error;
}

static void fingerprint(struct keytool_public *pub)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	char text[48];

	SHA256(pub->spki, pub->spki_len, hash);
	EVP_EncodeBlock((unsigned char *)text, hash, sizeof(hash));
	/* without the '=' at the end, as ssh-keygen has it */
	snprintf(pub->fingerprint, sizeof(pub->fingerprint), "SHA256:%.43s", text);
}

int keytool_public(EVP_PKEY *key, struct keytool_public *ret)
{
	struct keytool_public pub = {0};
	uint8_t *p = pub.spki;
	int error, len = i2d_PUBKEY(key, NULL);

	if (len <= 0 || (size_t)len > sizeof(pub.spki))
		return -ENOTSUP;
	pub.spki_len = (uint16_t)i2d_PUBKEY(key, &p);
	error = public_field(key, &pub);
	if (error)
		return error;
	fingerprint(&pub);
	*ret = pub;
	return 0;
}

int keytool_public_from_spki(const uint8_t *spki, size_t len, struct keytool_public *ret)
{
	const uint8_t *p = spki;
	EVP_PKEY *key;
	int error;

	if (len > KEYTOOL_SPKI_MAX)
		return -EBADMSG;
	key = d2i_PUBKEY(NULL, &p, (long)len);
	error = key && p == spki + len ? keytool_public(key, ret) : -EBADMSG;
	EVP_PKEY_free(key);
	return error;
}

const char *keytool_record(const struct keytool_public *key, const char *owner, uint32_t ttl,
	uint8_t precedence, bool generic, char buf[static KEYTOOL_RECORD_MAX])
{
	/* precedence, gateway type 0 (none), algorithm; RFC 4025 section 2.1 */
	const uint8_t head[3] = {precedence, 0, key->algorithm};
	int n;

	assert(strlen(owner) <= 255 && key->field_len <= KEYTOOL_FIELD_MAX);
	if (!generic) {
		n = snprintf(buf, KEYTOOL_RECORD_MAX, "%s %u IN IPSECKEY %u 0 %u . ", owner, ttl,
			precedence, key->algorithm);
		EVP_EncodeBlock((unsigned char *)buf + n, key->field, key->field_len);
		return buf;
	}
	n = snprintf(buf, KEYTOOL_RECORD_MAX, "%s %u IN TYPE45 \\# %zu ", owner, ttl,
		sizeof(head) + key->field_len);
	for (size_t i = 0; i < sizeof(head) + key->field_len; i++)
		n += snprintf(buf + n, KEYTOOL_RECORD_MAX - (size_t)n, "%02x",
			i < sizeof(head) ? head[i] : key->field[i - sizeof(head)]);
	return buf;
}
