# SPDX-License-Identifier: PostgreSQL
"""An installation whose role is kept in Secrets Manager: the double, or with
KEYTURN_TEST_AWS_ENDPOINT a real one (credentials and AWS_REGION from the
environment, as boto3 finds them).  What is in the store is read by boto3."""

import contextlib
import json
import os
import shutil
import uuid

import boto3
from botocore.config import Config

from rig.installation import Installation, Version

LABELS = (("AWSCURRENT", "current"), ("AWSPENDING", "pending"),
          ("AWSPREVIOUS", "previous"))
# What Gate calls its faults, in the double's words.
ACTS = {"reset-before": "before", "reset-after": "after",
        "hang-before": "silent", "hang-after": "silent-after", "late": "late",
        "stale": "stale", "garbage": "wrong", "lie": "lie", "429": "throttle",
        "500": "500", "500-after": "500-after", "503": "503"}
# Which operation a step of a rotation is, in the steady state.
STEPS = {"describe": "DescribeSecret", "stage": "PutSecretValue",
         "readback": "GetSecretValue", "promote": "UpdateSecretVersionStage"}
PLACEHOLDER = "6b657974-7572-4e00-8000-000000000000"


class Amazon:
    """Where Secrets Manager is, and a way to it that is not keyturn's."""

    def __init__(self, double=None):
        self.double = double
        self.url = double.url if double \
            else os.environ["KEYTURN_TEST_AWS_ENDPOINT"]
        self.region = double.region if double else \
            os.environ.get("AWS_REGION") or os.environ["AWS_DEFAULT_REGION"]
        if double:
            self.key, self.secret, _ = double.new_key()
            self.token = None
            self.ours = (*double.new_key()[:2], None)
            double.immune.add(self.ours[0])
        else:
            frozen = boto3.Session().get_credentials().get_frozen_credentials()
            self.ours = frozen.access_key, frozen.secret_key, frozen.token
            self.key, self.secret, self.token = self.ours
        self.client = self.connect("secretsmanager")

    def connect(self, service, **options):
        return boto3.client(
            service, endpoint_url=self.url, region_name=self.region,
            aws_access_key_id=self.ours[0], aws_secret_access_key=self.ours[1],
            aws_session_token=self.ours[2],
            config=Config(retries={"total_max_attempts": 3},
                          connect_timeout=5, read_timeout=20), **options)

    def credentials(self):
        """The lines of a profile."""
        lines = [f"aws_access_key_id = {self.key}",
                 f"aws_secret_access_key = {self.secret}"]
        if self.token:
            lines.append(f"aws_session_token = {self.token}")
        return "\n".join(lines) + "\n"


class AmazonSite(Installation):
    def __init__(self, tools, server, folder, database, amazon):
        super().__init__(tools, server, folder, database)
        self.amazon = amazon
        self.client = amazon.client
        self.prefix = f"keyturn-test/{uuid.uuid4()}/"
        self.environment["AWS_EC2_METADATA_DISABLED"] = "true"
        self.remember(amazon.secret, "the secret access key")
        # A file, because the environment of a process can be read in /proc.
        self.shared = os.path.join(folder, ".aws")
        os.mkdir(self.shared, mode=0o700)
        self.write_shared("credentials", "[default]\n" + amazon.credentials())

    def write_shared(self, name, text, mode=0o600):
        path = os.path.join(self.shared, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def places(self):
        return [f for f in super().places()
                if not f.startswith(self.shared + "/")]

    def configure(self, roles=("sap",), store="create = yes", more="",
                  role_settings="", endpoint=True, region=True, prefix=None,
                  timeout="10s", **settings):
        section = ["[store amazon]", "type = aws", f"timeout = {timeout}",
                   f"prefix = {self.prefix if prefix is None else prefix}"]
        if endpoint:
            section.append(f"endpoint = {self.amazon.url}")
        if region:
            section.append(f"region = {self.amazon.region}")
        section.append(store)
        super().configure(roles, more="\n".join(section) + "\n" + more,
                          role_settings="store = amazon\n" + role_settings,
                          **settings)

    def second_host(self, folder):
        """It has a ledger and a home of its own, and the same credentials."""
        other = super().second_host(folder)
        other.__class__ = AmazonSite
        other.shared = os.path.join(folder, ".aws")
        shutil.copytree(self.shared, other.shared)
        other.environment = {**self.environment, "HOME": folder}
        return other

    def fault(self, step, act, times=1):
        """The next requests of a step (STEPS) go wrong (ACTS, or the name of
        an exception of AWS)."""
        self.amazon.double.fault(STEPS[step], ACTS.get(str(act), act), times)

    def clear_faults(self):
        """From now on all goes well; what is late stays late."""
        self.amazon.double.faults.clear()

    def land(self):
        """What was late arrives."""
        self.amazon.double.land()

    def secret_id(self, role="sap"):
        return self.prefix + role

    def describe(self, role="sap"):
        return self.client.describe_secret(SecretId=self.secret_id(role))

    def value(self, role="sap", **which):
        answer = self.client.get_secret_value(SecretId=self.secret_id(role),
                                              **which)
        return json.loads(answer["SecretString"])

    def versions(self, role="sap", state=None):
        """As Installation's, but read by boto3 and with the whole history."""
        found, token = [], {}
        while True:
            try:
                page = self.client.list_secret_version_ids(
                    SecretId=self.secret_id(role), IncludeDeprecated=True,
                    **token)
            except (self.client.exceptions.ResourceNotFoundException,
                    self.client.exceptions.InvalidRequestException):
                return []  # not there, or marked for deletion
            for v in page["Versions"]:
                if v["VersionId"] == PLACEHOLDER:
                    continue
                label = next((ours for theirs, ours in LABELS
                              if theirs in v.get("VersionStages", ())), "ring")
                password = self.value(role, VersionId=v["VersionId"]) \
                    .get("password", "")
                self.remember(password, f"version {v['VersionId']} of {role}")
                found.append(Version(label, v["VersionId"], password))
            if not page.get("NextToken"):
                return found
            token = {"NextToken": page["NextToken"]}

    def store_files(self):
        return [self.state]  # there is something to learn

    def seed(self, value, role="sap", **more):
        """A secret as an administrator makes it by hand."""
        text = value if isinstance(value, str) else json.dumps(value)
        return self.client.create_secret(Name=self.secret_id(role),
                                         SecretString=text, **more)

    def learn(self, names=()):
        """A secret may be whatever a test has put there."""
        for role in self.roles() if os.path.exists(self.configuration) else ():
            with contextlib.suppress(Exception):
                self.versions(role)

    def close(self):
        super().close()
        self.learn()
        if not self.amazon.double:
            for role in self.roles():
                with contextlib.suppress(Exception):
                    self.client.delete_secret(
                        SecretId=self.secret_id(role),
                        ForceDeleteWithoutRecovery=True)

    def calls_of(self, *argv, **options):
        """Run keyturn: (Result, its operations in order)."""
        double = self.amazon.double
        before = len(double.calls)
        done = self.run(*argv, **options)
        mine = [c[1] for c in double.calls[before:]
                if c[2] != self.amazon.ours[0]]
        return done, mine
