# SPDX-License-Identifier: PostgreSQL
# Run by `./dev test`: tests/mutations/run BUILD.
EXTRA_DIST += \
	tests/mutations/a-reload-is-a-proof.mutation \
	tests/mutations/after-steps-do-not-wait-for-files.mutation \
	tests/mutations/after-steps-run-at-once.mutation \
	tests/mutations/agent-forgets-guesses-of-who-hangs-up.mutation \
	tests/mutations/agent-hands-out-what-is-not-recorded.mutation \
	tests/mutations/agent-lets-verifiers-read.mutation \
	tests/mutations/agent-takes-older-versions.mutation \
	tests/mutations/apply-commits-without-waiting.mutation \
	tests/mutations/blackouts-end-old-passwords.mutation \
	tests/mutations/blackouts-hold-nothing.mutation \
	tests/mutations/claims-of-the-living-are-taken.mutation \
	tests/mutations/clear-goes-over-unverified-tls.mutation \
	tests/mutations/default-privileges-keep-the-marker.mutation \
	tests/mutations/failed-commit-in-clear-is-final.mutation \
	tests/mutations/marker-fence-ignores-the-claim.mutation \
	tests/mutations/marker-fence-is-not-checked.mutation \
	tests/mutations/deliveries-bring-an-older-version.mutation \
	tests/mutations/deliveries-fail-in-silence.mutation \
	tests/mutations/deliveries-run-side-by-side.mutation \
	tests/mutations/each-look-is-noted.mutation \
	tests/mutations/engine.list \
	tests/mutations/members-keep-what-they-made.mutation \
	tests/mutations/old-members-line-goes-at-once.mutation \
	tests/mutations/gaps-between-looks-are-quiet.mutation \
	tests/mutations/passwords-in-clear-are-not-checked.mutation \
	tests/mutations/postponements-outlive-a-rotation.mutation \
	tests/mutations/pooler-may-read-the-own-sink.mutation \
	tests/mutations/programs-keep-our-environment.mutation \
	tests/mutations/programs-keep-our-groups.mutation \
	tests/mutations/programs-of-others-are-run.mutation \
	tests/mutations/programs-say-the-password.mutation \
	tests/mutations/run \
	tests/mutations/simulate \
	tests/mutations/what-got-out-waits-for-a-person.mutation \
	tests/mutations/what-is-hidden-is-quiet.mutation \
	tests/mutations/waking-is-a-wrong-password.mutation \
	tests/mutations/vault-writes-without-comparing.mutation \
	tests/mutations/zombies-are-not-ended.mutation
