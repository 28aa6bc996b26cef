/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading members of JSON objects that may be anything. */
#include "src/base/json.h"

#include <errno.h>
#include <string.h>

#include "src/base/file.h"

int json_file_read(int root, const char *path, size_t max, json_t **out, struct error *err)
{
	AUTO_FREE char *text = NULL;
	json_error_t why;
	ssize_t len = file_read_own(root, path, max, &text, err);
	json_t *j;

	if (len < 0)
		return (int)len;
	j = json_loadb(text, (size_t)len, JSON_REJECT_DUPLICATES, &why);
	if (!j && json_error_code(&why) == json_error_out_of_memory)
		return fail(err, ENOMEM, "read /%s: out of memory", path);
	if (!j)
		return fail(err, EINVAL, "/%s:%d: %s", path, why.line, why.text);
	if (!json_is_object(j)) {
		json_decref(j);
		return fail(err, EINVAL, "/%s: not a JSON object", path);
	}
	*out = j;
	return 0;
}

json_t *json_out_parse(struct json_out *o)
{
	json_t *j = str_ok(&o->text) ? json_loadb(str_get(&o->text), o->text.len, 0, NULL) : NULL;

	json_out_free(o);
	return j;
}

int json_need_int(const json_t *obj, const char *key, json_int_t min, json_int_t max,
		  json_int_t *out, struct error *err)
{
	const json_t *v = json_object_get(obj, key);

	if (!json_is_integer(v))
		return fail(err, EINVAL, "'%s' is missing or no integer", key);
	if (json_integer_value(v) < min || json_integer_value(v) > max)
		return fail(err, EINVAL, "'%s' is out of range", key);
	*out = json_integer_value(v);
	return 0;
}

int json_need_version(const json_t *obj, int ours, struct error *err)
{
	json_int_t version = 0;

	if (json_need_int(obj, "version", 1, INT32_MAX, &version, err) < 0)
		return -EINVAL;
	if (version > ours)
		return fail(err, EINVAL,
			    "written by a newer vfhook (format %d, this one knows %d): install "
			    "that again",
			    (int)version, ours);
	return 0;
}

const char *json_need_string(const json_t *obj, const char *key, struct error *err)
{
	const char *s = json_string_value(json_object_get(obj, key));

	if (!s)
		fail(err, EINVAL, "'%s' is missing or no string", key);
	return s;
}

int json_need_addr(const json_t *obj, const char *key, struct pci_addr *out, struct error *err)
{
	const char *s = json_need_string(obj, key, err);

	if (!s)
		return -EINVAL;
	if (pci_addr_parse(s, out) < 0)
		return fail(err, EINVAL, "'%s' is no PCI address", key);
	return 0;
}
