/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading certificates (DER), and choosing the one to trust. */
#include "pveapi/tls.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pveapi/lines.h"
#include "pveapi/node.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/text.h"

#define CA_PATH	      "etc/pve/pve-root-ca.pem"
#define NODE_PATH     "etc/pve/local/pve-ssl.pem"
#define OWN_PATH      "etc/pve/local/pveproxy-ssl.pem"
#define OWN_KEY_PATH  "etc/pve/local/pveproxy-ssl.key"
#define DEFAULTS_PATH "etc/default/pveproxy"

#define PEM_MAX	     262144
#define DEFAULTS_MAX 65536

#define DER_BOOLEAN	 0x01
#define DER_OCTET_STRING 0x04
#define DER_OID		 0x06
#define DER_SEQUENCE	 0x30
#define DER_UTC_TIME	 0x17
#define DER_TIME	 0x18
#define DER_VERSION	 0xa0 /* [0] of TBSCertificate */
#define DER_EXTENSIONS	 0xa3 /* [3] of TBSCertificate */
#define DER_DNS_NAME	 0x82 /* [2] of GeneralName */
#define DER_IP_ADDRESS	 0x87 /* [7] of GeneralName */

#define DNS_MAX 253

/* base64 and DER: RFC 7468, RFC 5280 */

struct der {
	const uint8_t *p;
	size_t len;
};

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* out has room for in.len bytes. Returns the number of bytes, or -1. */
static ssize_t base64_decode(struct span in, uint8_t *out)
{
	uint32_t bits = 0;
	unsigned n_bits = 0;
	size_t n = 0;

	for (size_t i = 0; i < in.len; i++) {
		int v = base64_value(in.p[i]);

		if (isspace((unsigned char)in.p[i]))
			continue;
		if (in.p[i] == '=')
			break;
		if (v < 0)
			return -1;
		bits = (bits << 6 | (uint32_t)v) & 0xffffff;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			out[n++] = (uint8_t)(bits >> n_bits);
		}
	}
	return (ssize_t)n;
}

/* Takes one element off the front of *in. False at the end, or if it does not fit into *in. */
static bool der_next(struct der *in, unsigned *tag, struct der *body)
{
	size_t head = 2;
	size_t len;

	if (in->len < 2 || (in->p[0] & 0x1f) == 0x1f)
		return false;
	*tag = in->p[0];
	len = in->p[1];
	if (len & 0x80) {
		size_t n = len & 0x7f;

		/* A length of more than three bytes is beyond PEM_MAX anyway. */
		if (n < 1 || n > 3 || in->len < 2 + n)
			return false;
		len = 0;
		for (; head < 2 + n; head++)
			len = len << 8 | in->p[head];
	}
	if (len > in->len - head)
		return false;
	*body = (struct der){in->p + head, len};
	in->p += head + len;
	in->len -= head + len;
	return true;
}

static bool der_take(struct der *in, unsigned want, struct der *body)
{
	unsigned tag;

	return der_next(in, &tag, body) && tag == want;
}

/* The value of an Extension if it is subjectAltName (2.5.29.17). */
static bool is_alt_name(struct der extension, struct der *value)
{
	static const uint8_t oid_alt_name[] = {0x55, 0x1d, 0x11};
	struct der oid;
	unsigned tag;

	if (!der_take(&extension, DER_OID, &oid) || oid.len != sizeof(oid_alt_name) ||
	    memcmp(oid.p, oid_alt_name, sizeof(oid_alt_name)) != 0)
		return false;
	if (!der_next(&extension, &tag, value))
		return false;
	if (tag == DER_BOOLEAN && !der_next(&extension, &tag, value))
		return false;
	return tag == DER_OCTET_STRING;
}

/* The GeneralNames of a Certificate. */
static bool find_alt_names(struct der cert, struct der *names)
{
	struct der body;
	struct der tbs;
	struct der extensions;
	struct der extension;
	unsigned tag;

	if (!der_take(&cert, DER_SEQUENCE, &body) || !der_take(&body, DER_SEQUENCE, &tbs))
		return false;
	do {
		if (!der_next(&tbs, &tag, &body))
			return false;
	} while (tag != DER_EXTENSIONS);
	if (!der_take(&body, DER_SEQUENCE, &extensions))
		return false;
	while (der_take(&extensions, DER_SEQUENCE, &extension)) {
		if (is_alt_name(extension, &body))
			return der_take(&body, DER_SEQUENCE, names);
	}
	return false;
}

/* With a letter somewhere: "192.0.2.1" as a DNS name would be asked for as an address. */
static bool is_dns_name(const uint8_t *p, size_t len)
{
	bool letter = false;

	if (!len || len > DNS_MAX || !(isalnum(p[0]) || p[0] == '_'))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (p[i] >= 0x80 || !(isalnum(p[i]) || p[i] == '-' || p[i] == '_' || p[i] == '.'))
			return false;
		letter = letter || isalpha(p[i]);
	}
	return letter;
}

struct picked {
	char dns[TLS_NAME_LEN];
	char below[TLS_NAME_LEN]; /* <node>.<domain of a wildcard> */
	char ip[INET6_ADDRSTRLEN];
};

static void pick_dns(struct der name, const char *node, struct picked *out)
{
	if (is_dns_name(name.p, name.len)) {
		if (!out->dns[0])
			memcpy(out->dns, name.p, name.len);
		return;
	}
	if (name.len < 3 || name.p[0] != '*' || name.p[1] != '.' || out->below[0])
		return;
	if (is_dns_name(name.p + 2, name.len - 2) && strlen(node) + name.len - 1 <= DNS_MAX) {
		memcpy(out->below, node, strlen(node));
		memcpy(out->below + strlen(node), name.p + 1, name.len - 1);
	}
}

static void pick_ip(struct der name, struct picked *out)
{
	if (out->ip[0])
		return;
	if (name.len == 4)
		inet_ntop(AF_INET, name.p, out->ip, sizeof(out->ip));
	else if (name.len == 16)
		inet_ntop(AF_INET6, name.p, out->ip, sizeof(out->ip));
}

/* The base64 text of the first certificate. */
static bool find_pem(const char *pem, size_t len, struct span *out)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	static const char end[] = "-----END CERTIFICATE-----";
	const char *from = memmem(pem, len, begin, sizeof(begin) - 1);
	const char *to;

	if (!from)
		return false;
	from += sizeof(begin) - 1;
	to = memmem(from, (size_t)(pem + len - from), end, sizeof(end) - 1);
	if (!to)
		return false;
	*out = (struct span){from, (size_t)(to - from)};
	return true;
}

/* der: room for the decoded text. */
static int pick_name(struct span text, uint8_t *der, const char *node, char name[TLS_NAME_LEN],
		     struct error *err)
{
	struct picked picked = {"", "", ""};
	const char *best = picked.dns;
	ssize_t n = base64_decode(text, der);
	struct der names;
	struct der one;
	unsigned tag;

	if (n < 0)
		return fail(err, EINVAL, "its first certificate is no base64");
	if (!find_alt_names((struct der){der, (size_t)n}, &names))
		return fail(err, EINVAL, "its first certificate has no subjectAltName");
	while (der_next(&names, &tag, &one)) {
		if (tag == DER_DNS_NAME)
			pick_dns(one, node, &picked);
		else if (tag == DER_IP_ADDRESS)
			pick_ip(one, &picked);
	}
	if (!*best)
		best = picked.below;
	if (!*best)
		best = picked.ip;
	if (!*best)
		return fail(err, EINVAL, "its first certificate has neither DNS name nor address");
	memcpy(name, best, strlen(best) + 1);
	return 0;
}

int tls_pick_name(const char *pem, size_t len, const char *node, char name[TLS_NAME_LEN],
		  struct error *err)
{
	struct span text;
	uint8_t *der;
	int r;

	if (len > PEM_MAX || !find_pem(pem, len, &text))
		return fail(err, EINVAL, "no certificate in it (PEM)");
	der = malloc(text.len + 1);
	if (!der)
		return fail(err, ENOMEM, "out of memory");
	r = pick_name(text, der, node, name, err);
	free(der);
	return r;
}

/* "261124111500Z" or, from 2050 on, "20501124111500Z": RFC 5280, 4.1.2.5. */
static int parse_time(unsigned tag, struct der t, int64_t *out)
{
	size_t year_len = tag == DER_UTC_TIME ? 2 : 4;
	int part[6] = {0}; /* year, month, day, hour, minute, second */
	struct tm tm;

	if ((tag != DER_UTC_TIME && tag != DER_TIME) || t.len != year_len + 11 ||
	    t.p[t.len - 1] != 'Z')
		return -EINVAL;
	for (size_t i = 0; i + 1 < t.len; i++) {
		size_t k = i < year_len ? 0 : 1 + (i - year_len) / 2;

		if (!isdigit(t.p[i]))
			return -EINVAL;
		part[k] = part[k] * 10 + (t.p[i] - '0');
	}
	if (tag == DER_UTC_TIME)
		part[0] += part[0] < 50 ? 2000 : 1900;
	tm = (struct tm){.tm_year = part[0] - 1900,
			 .tm_mon = part[1] - 1,
			 .tm_mday = part[2],
			 .tm_hour = part[3],
			 .tm_min = part[4],
			 .tm_sec = part[5]};
	*out = timegm(&tm);
	return 0;
}

/* tbs: version [0] if it is not 1, serial number, algorithm, issuer, then the validity. */
static int find_not_after(struct der cert, int64_t *out)
{
	struct der validity;
	struct der body;
	struct der tbs;
	unsigned tag;

	if (!der_take(&cert, DER_SEQUENCE, &body) || !der_take(&body, DER_SEQUENCE, &tbs) ||
	    !der_next(&tbs, &tag, &body) || (tag == DER_VERSION && !der_next(&tbs, &tag, &body)) ||
	    !der_take(&tbs, DER_SEQUENCE, &body) || !der_take(&tbs, DER_SEQUENCE, &body) ||
	    !der_take(&tbs, DER_SEQUENCE, &validity) || !der_next(&validity, &tag, &body) ||
	    !der_next(&validity, &tag, &body))
		return -EINVAL;
	return parse_time(tag, body, out);
}

int tls_not_after(const char *pem, size_t len, int64_t *out)
{
	AUTO_FREE uint8_t *der = NULL;
	struct span text;
	ssize_t n;

	if (len > PEM_MAX || !find_pem(pem, len, &text))
		return -EINVAL;
	der = malloc(text.len + 1);
	if (!der)
		return -ENOMEM;
	n = base64_decode(text, der);
	return n < 0 ? -EINVAL : find_not_after((struct der){der, (size_t)n}, out);
}

/* /etc/default/pveproxy */

/* What the shell makes of `value`, as far as it needs no expansion. */
static bool shell_word(struct span value, char *buf, size_t size)
{
	char quote = '\0';
	size_t n = 0;

	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];

		if (quote ? c == quote : (c == '"' || c == '\'')) {
			quote = (char)(quote ? '\0' : c);
			continue;
		}
		if (!quote && (is_blank(c) || c == ';' || c == '#'))
			break;
		if (n + 1 >= size || !c)
			return false;
		buf[n++] = c;
	}
	buf[n] = '\0';
	return n > 0;
}

int shell_value(const char *text, size_t len, const char *variable, char *buf, size_t size)
{
	struct lines lines = lines_of(text, len);
	size_t name_len = strlen(variable);
	struct span line;
	int found = 0;

	while (lines_next(&lines, &line)) {
		line = span_trim(line);
		if (line.len > 7 && !memcmp(line.p, "export ", 7))
			line = span_trim((struct span){line.p + 7, line.len - 7});
		if (line.len <= name_len || memcmp(line.p, variable, name_len) != 0 ||
		    line.p[name_len] != '=')
			continue;
		line.p += name_len + 1;
		line.len -= name_len + 1;
		found = shell_word(line, buf, size);
	}
	return found;
}

struct defaults {
	char listen[64];
	char key_path[256];
};

static int read_defaults(int root, struct defaults *out, struct error *err)
{
	AUTO_FREE char *text = NULL;
	ssize_t len = file_read(root, DEFAULTS_PATH, DEFAULTS_MAX, &text, err);

	*out = (struct defaults){"", OWN_KEY_PATH};
	if (len == -ENOENT) {
		error_clear(err);
		return 0;
	}
	if (len < 0)
		return (int)len;
	if (!shell_value(text, (size_t)len, "LISTEN_IP", out->listen, sizeof(out->listen)))
		out->listen[0] = '\0';
	if (!shell_value(text, (size_t)len, "TLS_KEY_FILE", out->key_path, sizeof(out->key_path)))
		memcpy(out->key_path, OWN_KEY_PATH, sizeof(OWN_KEY_PATH));
	return 0;
}

static int choose_address(const char *listen, char address[64], struct error *err)
{
	struct in6_addr any;
	char shown[80];

	if (!*listen || !strcmp(listen, "0.0.0.0"))
		listen = "127.0.0.1";
	if (inet_pton(AF_INET6, listen, &any) == 1) {
		if (IN6_IS_ADDR_UNSPECIFIED(&any))
			listen = "::1";
	} else if (inet_pton(AF_INET, listen, &any) != 1) {
		return fail(err, EINVAL, "/" DEFAULTS_PATH ": LISTEN_IP=%s is no address",
			    text_clean(listen, shown, sizeof(shown)));
	}
	memcpy(address, listen, strlen(listen) + 1);
	return 0;
}

void tls_target_free(struct tls_target *t)
{
	free(t->anchor);
	t->anchor = NULL;
	t->anchor_len = 0;
}

static int read_anchor(int root, const char *path, struct tls_target *out, struct error *err)
{
	ssize_t len = file_read(root, path, PEM_MAX, &out->anchor, err);

	if (len < 0)
		return fail_context(err, "pveproxy's certificate cannot be checked");
	out->anchor_path = path;
	out->anchor_len = (size_t)len;
	return 0;
}

static int choose_own(int root, struct tls_target *out, struct error *err)
{
	char node[64];
	int r = pve_node_name(root, node, sizeof(node), err);

	if (!r)
		r = read_anchor(root, OWN_PATH, out, err);
	if (r < 0)
		return r;
	r = tls_pick_name(out->anchor, out->anchor_len, node, out->name, err);
	return r < 0 ? fail_context(err, "/" OWN_PATH) : 0;
}

static bool has_own_cert(int root, const struct defaults *d)
{
	return path_exists(root, OWN_PATH) &&
	       path_exists(root, d->key_path + strspn(d->key_path, "/"));
}

const char *tls_server_cert(int root)
{
	struct defaults defaults;

	if (read_defaults(root, &defaults, NULL) < 0)
		return NODE_PATH;
	return has_own_cert(root, &defaults) ? OWN_PATH : NODE_PATH;
}

int tls_choose(int root, struct tls_target *out, struct error *err)
{
	struct defaults defaults;
	int r;

	*out = (struct tls_target){"", "", NULL, NULL, 0};
	r = read_defaults(root, &defaults, err);
	if (r < 0)
		return r;
	r = choose_address(defaults.listen, out->address, err);
	if (r < 0)
		return r;
	if (has_own_cert(root, &defaults)) {
		r = choose_own(root, out, err);
	} else {
		memcpy(out->name, "localhost", sizeof("localhost"));
		r = read_anchor(root, CA_PATH, out, err);
	}
	if (r < 0)
		tls_target_free(out);
	return r;
}
