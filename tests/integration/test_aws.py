# SPDX-License-Identifier: PostgreSQL
"""Rotations with the secret in AWS Secrets Manager.

The store is the double of tests/doubles/aws.py, or with
KEYTURN_TEST_AWS_ENDPOINT a real service; tests that need faults, or look at the
calls, need the double.  What keyturn wrote is read by boto3.
"""

import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
import uuid

import psycopg
import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "doubles"))

boto3 = pytest.importorskip("boto3")

import aws  # noqa: E402
from rig import program  # noqa: E402
from rig.aws_site import Amazon, AmazonSite, PLACEHOLDER  # noqa: E402
from rig.installation import FIRST_PASSWORD  # noqa: E402
from rig.verdict import finding, sentence  # noqa: E402

REAL = "KEYTURN_TEST_AWS_ENDPOINT" in os.environ


@pytest.fixture(scope="module")
def _double():
    if REAL:
        yield None
        return
    double = aws.Double()
    yield double
    double.stop()


@pytest.fixture
def amazon(_double):
    if _double:
        _double.faults.clear()
        _double.denied.clear()
        _double.late.clear()
        _double.delay.clear()
        _double.before = None
        _double.skew = 0
        _double.imds, _double.imds_v1, _double.container = None, False, None
        _double.life = _double.imds_life = 3600
    return Amazon(_double)


@pytest.fixture
def double(amazon):
    if not amazon.double:
        pytest.skip("needs the double")
    return amazon.double


@pytest.fixture
def new_aws_site(folder, tools, server, amazon):
    made = []

    def make(roles=("sap",), **settings):
        path = tempfile.mkdtemp(prefix="aws-", dir=folder)
        site = AmazonSite(tools, server, os.path.join(path, "site"),
                          f"amazon{len(made)}", amazon)
        made.append(site)
        return site.create(roles, **settings)

    yield make
    for site in made:
        site.close()
    hits = [hit for site in made for hit in site.leaks()]
    assert not hits, "secrets where none may be: " + "; ".join(
        f"{what} in {file}" for file, what in hits[:20])


@pytest.fixture
def site(new_aws_site):
    return new_aws_site()


@pytest.fixture
def taken_over(site):
    site.run("rotate", "sap", expect=0)
    site.settled()
    return site


# -- rotations ------------------------------------------------------------------


def test_the_first_rotation_makes_the_secret_and_takes_the_role_over(site):
    assert site.versions() == []
    site.run("rotate", "sap", expect=0)
    site.must_not_log_in(FIRST_PASSWORD)
    new = site.settled()
    value = site.value()
    assert value["password"] == new.password
    assert value["username"] == "sap" and value["engine"] == "postgres"


def test_current_never_was_a_password_that_was_not_live(site, double):
    """The first version of a secret is AWSCURRENT whatever one asks for."""
    # The first asks whether it may be moved.
    double.fault("UpdateSecretVersionStage", "AccessDeniedException", skip=1)
    assert site.run("rotate", "sap").exit == 9
    assert "password" not in site.value()
    assert site.describe()["VersionIdsToStages"][PLACEHOLDER] == ["AWSCURRENT"]
    site.run("recover", "sap", expect=0)
    new = site.settled()
    # Nor is AWSPREVIOUS something without a password.
    labels = site.describe()["VersionIdsToStages"]
    assert PLACEHOLDER not in labels and list(labels) == [new.id]


@pytest.mark.parametrize("seeded", [False, True])
def test_the_right_to_move_current_is_asked_for_before_it_is_needed(
        new_aws_site, double, seeded):
    """Of a secret that keyturn has just made, and of one that was there."""
    site = new_aws_site()
    if seeded:
        site.seed({"username": "sap", "password": FIRST_PASSWORD})
        labels = site.describe()["VersionIdsToStages"]
        site.run("check", expect=0)
        assert site.describe()["VersionIdsToStages"] == labels
    double.denied.add("UpdateSecretVersionStage")
    words = ("secretsmanager:UpdateSecretVersionStage", site.secret_id())
    sentence(site.run("rotate", "sap"), 6, *words)
    site.must_log_in(FIRST_PASSWORD)
    finding(site.run("check"), "secret", *words)
    double.denied.clear()
    site.run("rotate", "sap", expect=0)
    site.settled()


ROTATION = ["DescribeSecret", "PutSecretValue", "GetSecretValue",
            "UpdateSecretVersionStage"]


def without_sink(site):
    with open(site.configuration) as f:
        text = f.read()
    with open(site.configuration, "w") as f:
        f.write(re.sub(r"^sink = .*\n", "", text, flags=re.M))


def test_a_rotation_costs_three_calls_the_read_back_and_the_tags(
        taken_over, double):
    """Of a process that knows nothing: the tags tell that CURRENT has no keys
    that would have to be kept."""
    without_sink(taken_over)
    for _ in range(2):
        mark = taken_over.server.mark()
        done, calls = taken_over.calls_of("rotate", "sap", expect=0)
        assert calls == ROTATION + ["TagResource"]
        assert taken_over.server.logins(mark, "sap") == (1, 0)


def test_a_sink_costs_one_call_more(taken_over, double):
    """It is given what the store has, and that is what logged in."""
    done, calls = taken_over.calls_of("rotate", "sap", expect=0)
    assert calls == ROTATION + ["TagResource", "GetSecretValue"]
    taken_over.settled()


def test_without_tags_the_keys_of_current_are_read(new_aws_site, double):
    site = new_aws_site(store="create = yes\nannounce = no")
    without_sink(site)
    site.run("rotate", "sap", expect=0)
    done, calls = site.calls_of("rotate", "sap", expect=0)
    assert calls == [ROTATION[0], "UpdateSecretVersionStage",
                     "GetSecretValue", *ROTATION[1:]]
    assert site.describe().get("Tags", []) == []


def test_a_secret_with_other_keys_is_read_by_a_new_process(new_aws_site,
                                                           double):
    site = new_aws_site(store="")
    site.seed({"username": "sap", "password": FIRST_PASSWORD, "ssl": True})
    without_sink(site)
    site.run("rotate", "sap", expect=0)
    done, calls = site.calls_of("rotate", "sap", expect=0)
    assert calls == [ROTATION[0], "GetSecretValue", *ROTATION[1:],
                     "TagResource"]
    assert site.value()["ssl"] is True


def test_a_key_that_somebody_adds_by_hand_is_kept(taken_over):
    """The console makes a version of it, with AWSCURRENT and an id that keyturn
    never applied."""
    client, name = taken_over.client, taken_over.secret_id()
    value = {**taken_over.value(), "added": "by hand"}
    client.put_secret_value(SecretId=name, SecretString=json.dumps(value))
    for _ in range(2):
        taken_over.run("rotate", "sap", expect=0)
        assert taken_over.value()["added"] == "by hand"
    taken_over.settled()


@pytest.mark.parametrize("skip", range(4))
def test_a_key_added_by_hand_survives_a_run_that_fails(taken_over, double,
                                                       skip):
    """Also between the moving back of AWSCURRENT and the new version."""
    client, name = taken_over.client, taken_over.secret_id()
    value = {**taken_over.value(), "added": "by hand"}
    client.put_secret_value(SecretId=name, SecretString=json.dumps(value))
    double.fault("GetSecretValue", "DecryptionFailure", 1000, skip=skip)
    taken_over.run("rotate", "sap")
    double.faults.clear()
    taken_over.run("rotate", "sap", expect=0)
    assert taken_over.value()["added"] == "by hand"
    taken_over.settled()


@pytest.fixture(scope="module")
def turns():
    return program.build(
        "aws_turns", ("store", "store/aws", "aws", "http", "json", "xml",
                      "crypto", "base"),
        ("curl", "jansson", "expat", "ssl", "crypto", "m"))


def test_a_process_that_goes_on_needs_no_tags_to_know_the_keys(site, double,
                                                               turns):
    before = len(double.calls)
    done = subprocess.run(
        [turns, site.amazon.url, site.amazon.region, site.prefix, "steady",
         "4"], capture_output=True, text=True, env={
             "HOME": site.folder, "AWS_EC2_METADATA_DISABLED": "true"})
    assert done.returncode == 0, done.stderr
    ids = done.stdout.split()
    calls = [c[1] for c in double.calls[before:]
             if c[2] == site.amazon.key]
    assert calls == [
        # A new secret: what it begins with, and what became of that.
        "DescribeSecret", "CreateSecret", "UpdateSecretVersionStage",
        "PutSecretValue", "DescribeSecret", "GetSecretValue", "UpdateSecretVersionStage",
        "UpdateSecretVersionStage",
        # Now and then the whole history is looked at.
        ] + 3 * ROTATION, calls
    labels = site.describe("steady")["VersionIdsToStages"]
    assert "AWSCURRENT" in labels[ids[-1]]
    assert labels[ids[-2]] == ["AWSPREVIOUS"]


def test_what_boto3_reads_logs_in(taken_over):
    value = taken_over.value()
    psycopg.connect(
        host=value["host"], port=int(value["port"]), user=value["username"],
        password=value["password"], dbname=value["dbname"],
        sslmode="verify-full",
        sslrootcert=taken_over.server.authority.certificate).close()


def test_the_old_password_is_previous_and_then_in_the_history(taken_over):
    seen = [taken_over.current()]
    for _ in range(2):
        taken_over.run("rotate", "sap", expect=0)
        seen.append(taken_over.settled())
    labels = {v.id: v.label for v in taken_over.versions()}
    assert [labels[v.id] for v in seen] == ["ring", "previous", "current"]
    assert taken_over.get(label="previous") == seen[1].password


def test_what_got_out_is_not_previous(taken_over):
    """A label is taken off without another one getting it."""
    old = taken_over.current()
    taken_over.run("rotate", "sap", "--compromised", "--reason", "INC-7",
                   expect=0)
    new = taken_over.settled()
    assert {v.id: v.label for v in taken_over.versions()}[old.id] == "ring"
    taken_over.run("get", "sap", "--label", "previous", expect=11)
    taken_over.must_not_log_in(old.password)
    # And from here on as ever.
    taken_over.run("rotate", "sap", expect=0)
    assert taken_over.labelled("previous").id == new.id


def test_keys_of_others_are_kept_and_a_port_that_is_a_number_stays_one(
        new_aws_site):
    site = new_aws_site(store="")
    site.seed({"engine": "postgres", "host": "old", "port": 5432,
               "username": "sap", "password": FIRST_PASSWORD,
               "dbname": site.database, "masterarn": "arn:x", "ssl": True,
               "nested": {"a": [1, 2.5, None, "ü"]}})
    for _ in range(2):
        site.run("rotate", "sap", expect=0)
        value = site.value()
        assert value["masterarn"] == "arn:x" and value["ssl"] is True
        assert value["nested"] == {"a": [1, 2.5, None, "ü"]}
        assert value["port"] == site.server.port
        assert value["host"] == "127.0.0.1"
        site.must_log_in(value["password"])


def test_a_secret_without_any_version_is_begun(new_aws_site):
    """CreateSecret without a value, as some tools make it."""
    site = new_aws_site(store="")
    site.client.create_secret(Name=site.secret_id())
    site.run("rotate", "sap", expect=0)
    new = site.settled()
    assert list(site.describe()["VersionIdsToStages"]) == [new.id]


def test_a_secret_that_is_full_is_said_before_anything_is_applied(site,
                                                                 double):
    """AWS purges no version within a day."""
    site.run("rotate", "sap", expect=0)
    old = site.current()
    while len(double.manager.secrets[site.secret_id()].versions) < 100:
        site.client.put_secret_value(
            SecretId=site.secret_id(), SecretString="{}",
            VersionStages=["mine"])
    done = site.run("rotate", "sap")
    assert done.exit == 6 and "less often" in done.text, done.text
    site.must_log_in(old.password)
    assert site.current() == old


def test_a_secret_whose_version_ids_are_not_uuids_is_taken_over(new_aws_site):
    """Terraform names its versions otherwise."""
    site = new_aws_site(store="")
    site.seed({"username": "sap", "password": FIRST_PASSWORD},
              ClientRequestToken="terraform-20260102030405678900000001-abcdef")
    site.run("rotate", "sap", expect=0)
    new = site.settled()
    assert site.labelled("previous").password == FIRST_PASSWORD
    assert site.status()["version"] == new.id


def test_an_import_stores_the_present_password(site):
    reader, writer = os.pipe()
    os.write(writer, FIRST_PASSWORD.encode() + b"\n")
    os.close(writer)
    site.run("import", "sap", "--password-fd", str(reader), fds=(reader,),
             expect=0)
    os.close(reader)
    assert site.current().password == FIRST_PASSWORD


def test_a_stale_pending_version_is_resolved(taken_over):
    client, name = taken_over.client, taken_over.secret_id()
    stale = str(uuid.uuid4())
    client.put_secret_value(
        SecretId=name, ClientRequestToken=stale, VersionStages=["AWSPENDING"],
        SecretString=json.dumps({"username": "sap", "password": "never-live"}))
    taken_over.run("rotate", "sap", expect=0)
    new = taken_over.settled()
    labels = taken_over.describe()["VersionIdsToStages"]
    assert stale not in labels
    assert "AWSCURRENT" in labels[new.id]


def test_recover_takes_the_label_from_a_stale_pending_version(taken_over):
    client, name = taken_over.client, taken_over.secret_id()
    stale = str(uuid.uuid4())
    client.put_secret_value(
        SecretId=name, ClientRequestToken=stale, VersionStages=["AWSPENDING"],
        SecretString=json.dumps({"username": "sap", "password": "never-live"}))
    current = taken_over.current()
    taken_over.run("recover", "sap", expect=0)
    assert taken_over.settled() == current
    assert stale not in taken_over.describe()["VersionIdsToStages"]


def test_a_new_secret_has_the_tags_and_the_key_of_the_configuration(
        new_aws_site, double):
    site = new_aws_site(store="create = yes\nkms_key = alias/partners\n"
                        "tag = team=integration\ntag = cost=4711")
    site.run("rotate", "sap", expect=0)
    described = site.describe()
    tags = {t["Key"]: t["Value"] for t in described["Tags"]}
    assert described["KmsKeyId"] == "alias/partners"
    assert tags["team"] == "integration" and tags["cost"] == "4711"
    assert site.amazon.key in {c[2] for c in double.calls}


def tags_of(site):
    return {t["Key"]: t["Value"] for t in site.describe()["Tags"]}


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def told(site):
    """The tags are those of CURRENT, and what keyturn says of itself."""
    tags, status = tags_of(site), site.status()
    assert tags["keyturn:version"] == site.current().id
    last, due = when(tags["keyturn:last-rotated"]), when(
        tags["keyturn:next-due"])
    now = datetime.datetime.now(datetime.timezone.utc)
    assert now - datetime.timedelta(minutes=2) < last <= now
    assert due - last == datetime.timedelta(days=30)
    # The ledger notes the end of the run, a moment after CURRENT moved.
    assert abs(due - when(status["next_due"])) < datetime.timedelta(seconds=5)
    return tags


def test_tags_tell_when_it_was_rotated_and_when_it_is_due(new_aws_site):
    site = new_aws_site()
    seen = set()
    for _ in range(2):
        site.run("rotate", "sap", expect=0)
        seen.add(told(site)["keyturn:version"])
    assert len(seen) == 2


@pytest.mark.parametrize("kind", ["after", "500-after"])
def test_tags_are_right_when_the_answer_to_the_move_was_lost(taken_over,
                                                             double, kind):
    double.fault("UpdateSecretVersionStage", kind)
    taken_over.run("rotate", "sap", expect=0)
    told(taken_over)


def test_tags_that_may_not_be_set_do_not_fail_the_rotation(taken_over, double):
    before = tags_of(taken_over)
    double.denied.add("TagResource")
    taken_over.run("rotate", "sap", expect=0)
    new = taken_over.settled()
    assert tags_of(taken_over) == before
    assert before["keyturn:version"] != new.id  # which tells that they are old
    double.denied.clear()
    taken_over.run("rotate", "sap", expect=0)
    told(taken_over)


def test_a_role_without_a_schedule_is_due_by_command(new_aws_site):
    site = new_aws_site()
    with open(site.configuration) as f:
        text = f.read()
    with open(site.configuration, "w") as f:
        f.write(text.replace("every = 30d\n", ""))
    site.run("rotate", "sap", expect=0)
    assert tags_of(site)["keyturn:next-due"] == "by command"


def test_check_describes_the_secret_and_writes_nothing(taken_over, double):
    done, calls = taken_over.calls_of("check", expect=0)
    assert "store amazon" in done.out
    assert "marker and store agree, and the password logs in" in done.out
    assert set(calls) <= {"DescribeSecret", "GetSecretValue"}


@pytest.mark.parametrize("cron, fine", [("*/14 * * * *", False),
                                        ("*/15 * * * *", True),
                                        ("0,5 3 * * *", False)])
def test_check_refuses_what_would_fill_the_secret_up(new_aws_site, cron, fine):
    site = new_aws_site()
    with open(site.configuration) as f:
        text = f.read()
    with open(site.configuration, "w") as f:
        f.write(text.replace("every = 30d", f"schedule = {cron}"))
    site.run("rotate", "sap", expect=0)
    done = site.run("check")
    assert (done.exit == 0) is fine, done.text
    assert ("100 versions" in done.text) is not fine


# -- consumers -------------------------------------------------------------------


def log_in(site, value):
    """By the rules of aws-secretsmanager-jdbc: host, port and dbname of the
    secret, username and password as they are."""
    return psycopg.connect(
        host=value["host"], port=int(value["port"]), dbname=value["dbname"],
        user=value["username"], password=value["password"],
        sslmode="verify-full", connect_timeout=10,
        sslrootcert=site.server.authority.certificate)


def test_the_caching_client_of_aws_sees_a_rotation_when_it_is_told(taken_over):
    """It never reads a version twice: a new password is a new version."""
    caching = pytest.importorskip("aws_secretsmanager_caching")
    cache = caching.SecretCache(client=taken_over.client)
    name = taken_over.secret_id()
    old = json.loads(cache.get_secret_string(name))
    log_in(taken_over, old).close()
    taken_over.run("rotate", "sap", expect=0)
    # The wrapper's rule: on 28P01, fetch again once.
    with pytest.raises(psycopg.OperationalError, match="password"):
        log_in(taken_over, old)
    item = cache._get_cached_secret(name)
    item._refresh_needed = True
    new = json.loads(cache.get_secret_string(name))
    assert new != old
    log_in(taken_over, new).close()


def test_what_the_jdbc_wrapper_needs_is_there_and_is_a_string(taken_over):
    value = taken_over.value()
    for key in ("engine", "host", "port", "dbname", "username", "password"):
        assert isinstance(value[key], str) and value[key], key
    answer = taken_over.client.get_secret_value(SecretId=taken_over.secret_id())
    assert answer["VersionStages"].count("AWSCURRENT") == 1
    uuid.UUID(answer["VersionId"])
