/* SPDX-License-Identifier: PostgreSQL */
/*
 * LD_PRELOAD shim of the integration tests: the Internet is elsewhere.  Every
 * name is 127.0.0.1, and whoever connects to port 443 or 80 of any address gets
 * the port in KEYTURN_ELSEWHERE_443 or _80.  The program under test is the
 * shipped binary, and asks for the names and addresses that it has built in.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int getaddrinfo(const char *node, const char *service,
		const struct addrinfo *hints, struct addrinfo **res)
{
	int (*real)(const char *, const char *, const struct addrinfo *,
		    struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
	struct in_addr unused;

	if (node && inet_pton(AF_INET, node, &unused) != 1)
		node = "127.0.0.1";
	return real(node, service, hints, res);
}

int connect(int fd, const struct sockaddr *to, socklen_t n)
{
	int (*real)(int, const struct sockaddr *, socklen_t) =
		dlsym(RTLD_NEXT, "connect");
	struct sockaddr_in there;
	const char *port = NULL;

	if (to->sa_family == AF_INET && n >= sizeof(there)) {
		memcpy(&there, to, sizeof(there));
		if (ntohs(there.sin_port) == 443)
			port = getenv("KEYTURN_ELSEWHERE_443");
		else if (ntohs(there.sin_port) == 80)
			port = getenv("KEYTURN_ELSEWHERE_80");
	}
	if (!port)
		return real(fd, to, n);
	there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	there.sin_port = htons((unsigned short)strtoul(port, NULL, 10));
	return real(fd, (const struct sockaddr *)&there, sizeof(there));
}
