/* Names of a test's own, without rights on the machine: loaded before the C library, it looks a host up in
   NAMES="app.example=127.0.0.1,other.example=10.0.0.1" and leaves all other names to the system. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    lookup *real = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
    const char *entry = node ? getenv("NAMES") : NULL;
    size_t length = node ? strlen(node) : 0;
    char address[64];
    while (entry && *entry) {
        size_t end = strcspn(entry, ",");
        if (end > length + 1 && end - length - 1 < sizeof address && entry[length] == '=' && !strncmp(entry, node, length)) {
            memcpy(address, entry + length + 1, end - length - 1);
            address[end - length - 1] = 0;
            return real(address, service, hints, found);
        }
        entry += end + (entry[end] == ',');
    }
    return real(node, service, hints, found);
}
