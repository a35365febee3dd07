# SPDX-License-Identifier: PostgreSQL
"""What the integration tests stand on: servers, installations, faults, and the
search for secrets.  Nothing here is given to keyturn's own code."""
