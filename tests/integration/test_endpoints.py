# SPDX-License-Identifier: PostgreSQL
"""A password is proved on every endpoint; a replica may need time."""

UNKNOWN = 9


def with_replica(new_server, new_site, delay, deadline):
    primary = new_server()
    site = new_site(on=primary)
    replica = new_server(standby_of=primary)
    site.run("rotate", "sap", expect=0)
    site.configure(cluster=f"endpoint = {site.conninfo(port=replica.port)}\n"
                           f"prove_deadline = {deadline}\n")
    replica.sql(f"alter system set recovery_min_apply_delay = '{delay}'")
    replica.reload()
    return site, replica


def test_a_replica_that_lags_is_waited_for(new_server, new_site):
    site, replica = with_replica(new_server, new_site, "2s", "30s")
    site.run("rotate", "sap", expect=0)
    current = site.settled()
    site.must_log_in(current.password, server=replica)
    assert "frozen" not in site.status()["state"]


def test_a_replica_that_lags_too_long_leaves_the_outcome_open(new_server,
                                                              new_site):
    site, replica = with_replica(new_server, new_site, "10min", "2s")
    before = site.current()
    result = site.run("rotate", "sap", expect=UNKNOWN)
    assert "lags" in result.text and str(replica.port) in result.text
    # Live on the primary, staged, and not given out: the replica's readers
    # would be locked out.
    assert site.current().id == before.id
    assert site.labelled("pending") is not None
    replica.sql("alter system reset recovery_min_apply_delay")
    replica.reload()
    site.run("recover", "sap", expect=0)
    site.must_log_in(site.settled().password, server=replica)
