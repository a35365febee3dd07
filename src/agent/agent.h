/* SPDX-License-Identifier: PostgreSQL */
/*
 * keyturn-agent: serves the secrets of stores to the users of one host.  One
 * thread serves all clients and never waits; others talk to stores and write
 * the audit (docs/agent.md).
 *
 * What the program needs of its service unit:
 *  - Type=notify-reload (SIGHUP; READY, RELOADING, STATUS, WATCHDOG are sent),
 *    NotifyAccess=main, WatchdogSec= as you like, NonBlocking= is not needed
 *  - sockets, by FileDescriptorName: agent (SocketMode=0666), creds and admin
 *    (0600); without them it makes them in the folder of the `sockets` setting
 *  - FileDescriptorStoreMax=2 keeps the cache over a restart (a sealed memfd,
 *    "cache-0" and "cache-1" in turns)
 *  - LimitMEMLOCK=64M or more for thousands of secrets; LimitNOFILE= above the
 *    `clients` setting; LimitCORE=0; MemorySwapMax=0, for the memfd is not
 *    locked
 *  - StateDirectory= for its ledger; ConfigurationDirectory=keyturn, read only
 *  - RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 (AF_NETLINK for the
 *    resolver); no capability; MemoryDenyWriteExecute=yes is fine
 *  - PrivateUsers= must stay off: other users' uids would all become 65534
 */
#ifndef KEYTURN_AGENT_H
#define KEYTURN_AGENT_H

#include "base/reason.h"

#define AGENT_CONFIG_PATH "/etc/keyturn/agent.conf"

struct agent;

/* Read the configuration, open the ledger and the sockets. */
enum status agent_new(const char *config_path, struct agent **ret,
		      struct reason *why);
/* Serve until SIGTERM or SIGINT. */
enum status agent_run(struct agent *a, struct reason *why);
/* Writes what the audit still has to have. */
void agent_free(struct agent *a);

/* Only check the configuration. */
enum status agent_config_check(const char *config_path, struct reason *why);
/* Make the key that signs the agent's audit. */
enum status agent_config_init(const char *config_path, struct reason *why);

#endif
