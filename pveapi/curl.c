/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding libcurl and its functions. */
#include "pveapi/curl.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "src/base/cleanup.h"

static bool find_symbols(void *lib, struct curl_api *api)
{
	const struct {
		const char *name;
		void *to;
	} want[] = {
		{"curl_global_init", &api->global_init},
		{"curl_global_cleanup", &api->global_cleanup},
		{"curl_easy_init", &api->easy_init},
		{"curl_easy_setopt", &api->easy_setopt},
		{"curl_easy_perform", &api->easy_perform},
		{"curl_easy_getinfo", &api->easy_getinfo},
		{"curl_easy_strerror", &api->easy_strerror},
		{"curl_easy_cleanup", &api->easy_cleanup},
		{"curl_slist_append", &api->slist_append},
		{"curl_slist_free_all", &api->slist_free_all},
	};

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		void *symbol = dlsym(lib, want[i].name);

		if (!symbol)
			return false;
		/* POSIX lets a function pointer travel as a void *, ISO C does not. */
		memcpy(want[i].to, &symbol, sizeof(symbol));
	}
	return true;
}

/* The library stays loaded: it and OpenSSL leave exit handlers behind. */
int curl_load(struct curl_api *api, struct error *err)
{
	static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		void *lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);

		if (lib && find_symbols(lib, api))
			return 0;
	}
	return fail(err, ENOENT, "libcurl cannot be loaded (libcurl.so.4): `apt install libcurl4`");
}
