# SPDX-License-Identifier: PostgreSQL
# Run by `./dev test`, not by `make check`: they need a server and a virtual
# environment.
EXTRA_DIST += \
	tests/integration/conftest.py \
	tests/integration/peek.c \
	tests/integration/preload.c \
	tests/integration/refuse.c \
	tests/integration/requirements.txt \
	tests/integration/rig/__init__.py \
	tests/integration/rig/authority.py \
	tests/integration/rig/aws_site.py \
	tests/integration/rig/fault.py \
	tests/integration/rig/gateway.py \
	tests/integration/rig/installation.py \
	tests/integration/rig/jwt.py \
	tests/integration/rig/leaks.py \
	tests/integration/rig/once.py \
	tests/integration/rig/pair.py \
	tests/integration/rig/pam.py \
	tests/integration/rig/program.py \
	tests/integration/rig/server.py \
	tests/integration/rig/verdict.py \
	tests/integration/scan.c \
	tests/integration/store_dump.c \
	tests/integration/test_after.py \
	tests/integration/test_adoption.py \
	tests/integration/test_admin_settings.py \
	tests/integration/test_audit_outside.py \
	tests/integration/test_bad_cluster.py \
	tests/integration/test_bad_configuration.py \
	tests/integration/test_bad_ledger.py \
	tests/integration/test_bad_store.py \
	tests/integration/test_endpoints.py \
	tests/integration/test_fault_matrix.py \
	tests/integration/test_commands.py \
	tests/integration/test_compromised.py \
	tests/integration/aws_whoami.c \
	tests/integration/aws_names.c \
	tests/integration/aws_turns.c \
	tests/integration/directory.c \
	tests/integration/elsewhere.c \
	tests/integration/pam_services.c \
	tests/integration/test_directory.py \
	tests/integration/test_aws_endpoints.py \
	tests/integration/test_aws.py \
	tests/integration/test_aws_chain.py \
	tests/integration/test_aws_credentials.py \
	tests/integration/test_aws_faults.py \
	tests/integration/test_aws_alternating.py \
	tests/integration/test_aws_double.py \
	tests/integration/test_aws_moto.py \
	tests/integration/test_aws_policy.py \
	tests/integration/presign.c \
	tests/integration/test_gateway.py \
	tests/integration/test_gateway_faults.py \
	tests/integration/test_gateway_two.py \
	tests/integration/test_gateway_vault.py \
	tests/integration/test_gateway_behind.py \
	tests/integration/test_gateway_console.py \
	tests/integration/test_handoff.py \
	tests/integration/test_handoff_offer.py \
	tests/integration/test_handoff_refused.py \
	tests/integration/test_handoff_sheet.py \
	tests/integration/test_handoff_token.py \
	tests/integration/test_harness.py \
	tests/integration/test_kill_sweep.py \
	tests/integration/test_marker.py \
	tests/integration/test_max_life.py \
	tests/integration/test_memory.py \
	tests/integration/test_memory_stores.py \
	tests/integration/test_moved.py \
	tests/integration/test_newer_servers.py \
	tests/integration/test_notice.py \
	tests/integration/test_pam.py \
	tests/integration/test_pam_overlap.py \
	tests/integration/test_preproof.py \
	tests/integration/test_restore.py \
	tests/integration/test_retire.py \
	tests/integration/test_rotation.py \
	tests/integration/test_two_rotators.py \
	tests/integration/test_zombie_alter.py
EXTRA_DIST += tests/doubles/aws.py
EXTRA_DIST += tests/doubles/vault.py \
	tests/integration/rig/gate.py \
	tests/integration/rig/vault_site.py \
	tests/integration/test_vault.py \
	tests/integration/test_vault_double.py \
	tests/integration/test_vault_login.py \
	tests/integration/test_vault_tls.py \
	tests/integration/vault_turns.c
EXTRA_DIST += tests/integration/control_plane.c \
	tests/integration/rig/lakebase.py \
	tests/integration/test_lakebase.py \
	tests/integration/test_lakebase_pair.py
EXTRA_DIST += tests/doubles/workspace.py
EXTRA_DIST += tests/integration/rig/daemon.py \
	tests/integration/rig/receiver.py \
	tests/integration/test_delivery.py \
	tests/integration/test_delivery_sap.py tests/doubles/integration_suite.py \
	tests/integration/test_hooks.py \
	tests/integration/test_keyturnd.py \
	tests/integration/test_login_event.py \
	tests/integration/test_keyturnd_agent.py \
	tests/integration/test_keyturnd_tokens.py \
	tests/integration/test_undelivered.py \
	tests/integration/test_units.py
EXTRA_DIST += tests/integration/rig/token_site.py \
	tests/integration/test_refresh.py \
	tests/integration/test_token.py \
	tests/integration/test_token_clients.py
EXTRA_DIST += tests/integration/test_admins.py \
	tests/integration/test_alternating.py \
	tests/integration/test_alternating_killed.py \
	tests/integration/test_alternating_newer.py \
	tests/integration/test_alternating_clients.py
EXTRA_DIST += tests/integration/test_sinks.py
EXTRA_DIST += tests/integration/test_token_login.py
EXTRA_DIST += tests/doubles/clouds.py tests/integration/test_token_clouds.py
EXTRA_DIST += tests/integration/test_cluster_ca.py
EXTRA_DIST += tests/integration/test_agent_uses.py
