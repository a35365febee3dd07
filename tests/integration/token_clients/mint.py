# SPDX-License-Identifier: PostgreSQL
"""Mint with Databricks's own library for Python: prints what it was given.

usage: mint.py postgres ENDPOINT [SECONDS] | database INSTANCE | find HOST
       (DATABRICKS_* as for any client)
"""

import json
import sys

from databricks.sdk import WorkspaceClient
from google.protobuf.duration_pb2 import Duration

workspace = WorkspaceClient()
kind, name = sys.argv[1:3]
if kind == "postgres":
    ttl = None
    if len(sys.argv) > 3:
        ttl = Duration(seconds=int(sys.argv[3]))
    answer = workspace.postgres.generate_database_credential(name, ttl=ttl)
    print(json.dumps({"token": answer.token,
                      "end": answer.expire_time.ToJsonString()}))
elif kind == "database":
    answer = workspace.database.generate_database_credential(
        instance_names=[name],
        request_id="6b2a4f2e-5f0f-4f3c-9d5e-0a1b2c3d4e5f")
    print(json.dumps({"token": answer.token, "end": answer.expiration_time}))
else:
    print(json.dumps([e.name for p in workspace.postgres.list_projects()
                      for b in workspace.postgres.list_branches(p.name)
                      for e in workspace.postgres.list_endpoints(b.name)
                      if e.status.hosts.host == name]))
