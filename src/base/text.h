/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text in and out: strict number parsing, MAC and PCI addresses, a growing
 * string. Nothing here touches a file.
 */
#ifndef VFHOOK_BASE_TEXT_H
#define VFHOOK_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A PCI function's address. Domains above ffff exist (VMD), hence 32 bits. */
struct pci_addr {
	uint32_t domain;
	uint8_t bus;
	uint8_t dev; /* 0..31 */
	uint8_t fn;  /* 0..7 */
};

#define PCI_ADDR_LEN 20 /* "ffffffff:ff:1f.7" and its NUL, rounded up */
#define MAC_LEN	     18 /* "bc:24:11:00:00:01" and its NUL */

/* Of what vfhook.cfg and PVE call pools, nodes, VMs and mappings, with its NUL. */
#define NAME_LEN 64

/*
 * Decimal, no sign, no blanks, nothing behind it, at most max.
 * Returns 0, -EINVAL (not a number) or -ERANGE. *out is untouched on error.
 */
int parse_u64(const char *s, uint64_t max, uint64_t *out);
int parse_u32(const char *s, uint32_t max, uint32_t *out);

/* 0/1, on/off, yes/no, true/false, as PVE's section configs accept them. 0 or -EINVAL. */
int parse_bool(const char *s, bool *out);

/* "0000:06:10.1" or "06:10.1" (domain 0, as PVE accepts it). 0 or -EINVAL. */
int pci_addr_parse(const char *s, struct pci_addr *out);

/* Always with the domain, lower case, as sysfs has it. Returns buf. */
const char *pci_addr_format(const struct pci_addr *a, char buf[PCI_ADDR_LEN]);

/* <0, 0, >0 as strcmp: the order of their sysfs names. */
int pci_addr_cmp(const struct pci_addr *a, const struct pci_addr *b);

/* Six hex pairs with ':' or '-' between. 0 or -EINVAL. Says nothing about the value. */
int mac_parse(const char *s, uint8_t out[6]);

/* Lower case with colons. Returns buf. */
const char *mac_format(const uint8_t mac[6], char buf[MAC_LEN]);

/* The same text, or NULL both. */
bool text_same(const char *a, const char *b);

bool mac_is_zero(const uint8_t mac[6]);
bool mac_is_multicast(const uint8_t mac[6]);

/*
 * A growing string. Start with STR_INIT, release with str_free(). After an
 * allocation failure every further call does nothing and str_ok() is false, so
 * that only the end of a run of appends needs a check.
 */
struct str {
	char *data; /* NUL-terminated once anything was appended, else NULL */
	size_t len;
	size_t cap;
	bool failed;
};

#define STR_INIT ((struct str){NULL, 0, 0, false})

void str_append(struct str *s, const char *text);
/* n more bytes for the caller to fill, NULL when memory ran out. */
char *str_extend(struct str *s, size_t n);
void str_append_len(struct str *s, const char *text, size_t len);
void str_printf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool str_ok(const struct str *s);
/* The text ("" if nothing was appended), owned by s. */
const char *str_get(const struct str *s);
/* Hands the buffer to the caller (free() it); NULL when memory ran out. */
char *str_take(struct str *s);
void str_free(struct str *s);

/* Length of the valid UTF-8 sequence at s (1..4), or 0. C1 controls count as invalid. */
size_t utf8_len(const char *s);

/*
 * Make text from outside fit to be shown: control characters, DEL and bytes
 * that are not valid UTF-8, and characters that turn or hide the text around them
 * (U+202E and its like) become '?', at most size - 1 bytes. Returns buf.
 */
const char *text_clean(const char *text, char *buf, size_t size);

/* True for 1..max_len characters out of [A-Za-z0-9._-], the first one a letter or a digit or '_'.
 */
bool is_plain_name(const char *s, size_t max_len);

/* What isspace() knows in the C locale, but no line's end. Short, for thousands of lines are passed
 * over. */
static inline bool is_blank(char c)
{
	return c == ' ' || ((unsigned char)(c - '\t') < 5 && c != '\n');
}

#define BLANKS " \t\n\v\f\r"

/* Is it among the words of the text, which are separated by any of these characters? */
bool has_word(const char *text, const char *word, const char *separators);

bool ends_with(const char *s, const char *end);

/* Take doubled slashes out of a path, and those at its end: joined with a name it has one. */
void path_tidy(char *path);

#endif
