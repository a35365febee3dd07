# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libhandoff.a
libhandoff_a_SOURCES = \
	src/handoff/handoff.c src/handoff/handoff.h \
	src/handoff/handoff_load.c src/handoff/handoff_record.c \
	src/handoff/handoff_gather.c src/handoff/handoff_gather.h \
	src/handoff/handoff_offer.c src/handoff/handoff_offer.h \
	src/handoff/handoff_page.c src/handoff/handoff_page.h \
	src/handoff/handoff_partner.c src/handoff/handoff_partner.h \
	src/handoff/handoff_partners.def \
	src/handoff/handoff_refusal.c src/handoff/handoff_refusal.h \
	src/handoff/handoff_sheet.c src/handoff/handoff_sheet.h \
	src/handoff/handoff_states.def \
	src/handoff/handoff_story.c src/handoff/handoff_story.h \
	src/handoff/handoff_token.c src/handoff/handoff_token.h \
	src/handoff/handoff_words.c src/handoff/handoff_words.h \
	src/handoff/handoff_words.def
