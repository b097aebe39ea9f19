"""Every open question about the platforms. The sandbox has a switch of the same name for each; a test compares them."""

from __future__ import annotations

from collections.abc import Mapping

from sync.core.records import Side
from sync.probing.report import OpenQuestion

_WRITE = "Needs a write, on a test instance: "
_OWNER = "Ask whoever runs the platform: "

SERVICENOW: tuple[OpenQuestion, ...] = (
    OpenQuestion(
        "invalid_query_returns_no_rows",
        "Does a query with an unknown field return no rows (glide.invalid_query.returns_no_rows)?",
        _OWNER + "the value of that system property.",
    ),
    OpenQuestion(
        "not_equal_returns_empty",
        "Do !=, NOT IN and NOT LIKE return rows where the column is empty?",
        "Needs a row with an empty column: make one on a test instance and probe again.",
    ),
    OpenQuestion(
        "string_comparison_case_sensitive",
        "Do queries tell upper from lower case in text columns?",
        "Let the user read its own record in sys_user and probe again.",
    ),
    OpenQuestion(
        "order_spans_union",
        "Does ORDERBY order the whole result of queries joined by ^NQ?",
        "Needs two rows that the user may read.",
    ),
    OpenQuestion(
        "aggregates_count_hidden_rows",
        "Does the Aggregate API count rows that access rules hide from the caller?",
        "Needs a row that is hidden from the user: hide one on a test instance and probe again.",
    ),
    OpenQuestion(
        "no_count_omits_total",
        "Does sysparm_no_count remove the header X-Total-Count?",
        "Needs a table that the user may read.",
    ),
    OpenQuestion(
        "reads_own_writes_late",
        "After how many seconds does a list show what a caller has just written (reads from a replica)?",
        _WRITE + "update a record, then list it by sys_id until the list shows the new value.",
    ),
    OpenQuestion(
        "client_chosen_sys_id",
        "May an insert bring its own sys_id?",
        _WRITE + "insert a record with a sys_id of 32 hex digits and read the one it got.",
    ),
    OpenQuestion(
        "second_insert_under_one_sys_id",
        "What does a second insert under one sys_id answer?",
        _WRITE + "repeat that insert; note status, message and detail.",
    ),
    OpenQuestion(
        "iso_stamp_written_becomes_empty",
        "Does an ISO 8601 stamp become empty when it is written?",
        _WRITE + "write 2026-03-01T09:30:00Z to a date-time column and read it.",
    ),
    OpenQuestion(
        "overlong_text_is_cut",
        "Is text that is longer than its column cut without a word?",
        _WRITE + "write more characters than max_length and read them.",
    ),
    OpenQuestion(
        "update_that_changes_nothing_stamps",
        "Does an update with equal values move sys_updated_on and sys_mod_count?",
        _WRITE + "update a record with a value it has and compare both.",
    ),
    OpenQuestion(
        "choice_allows_unknown",
        "Is a value outside its choice list stored (glide.rest.choice.allow_non_existing_value)?",
        _OWNER + "the value of that system property.",
    ),
    OpenQuestion(
        "closed_incident_is_frozen",
        "Is a closed incident closed to the role itil, too?",
        _WRITE + "update a closed incident as the integration user.",
    ),
    OpenQuestion(
        "itil_deletes_incidents",
        "May the role itil delete incidents?",
        _WRITE + "delete an incident as the integration user.",
    ),
    OpenQuestion(
        "attachment_touches_record",
        "Does a new attachment move the record's sys_updated_on?",
        _WRITE + "attach a file to a record that is minutes old and compare its sys_updated_on.",
    ),
    OpenQuestion(
        "undelete_stamps_record",
        "Does undeleting a record move its sys_updated_on?",
        _WRITE + "delete a record, undelete it under Deleted Records and compare its sys_updated_on.",
    ),
    OpenQuestion(
        "article_edit_makes_new_row",
        "Does an edit of a knowledge article make a new row with the same number?",
        _OWNER + "whether article versioning is on (glide.knowman.versioning.enabled).",
    ),
    OpenQuestion(
        "closing_change_needs_result",
        "Does closing a change need close_code and close_notes, whatever its model?",
        _WRITE + "move a change to Closed without them.",
    ),
    OpenQuestion(
        "import_set_role",
        "Which role does the Import Set API ask for?",
        _WRITE + "post a row to a staging table as a user with one of the roles alone.",
    ),
    OpenQuestion(
        "oauth_failures_name_their_cause",
        "Do refused token requests name their cause as RFC 6749 has it?",
        "Needs a login: ask for a token with a wrong secret, once, and note status and body.",
    ),
    OpenQuestion(
        "client_may_come_by_basic",
        "May a token request name the application by HTTP Basic instead of its body?",
        "Needs a login: ask for a token with the client ID and secret in the Authorization header alone.",
    ),
    OpenQuestion(
        "web_only_users_have_client_credentials",
        "May a user marked Web service access only be the user of client credentials or a JWT?",
        "Needs a login: mark the OAuth application user and log in again.",
    ),
    OpenQuestion(
        "client_credentials_gives_refresh_token",
        "Does the client credentials grant answer a refresh token?",
        "Needs a login with client credentials: look for refresh_token in the answer.",
    ),
    OpenQuestion(
        "revoked_unknown_token_status",
        "What does revoking an unknown token answer?",
        "Needs a POST: revoke a made-up token at /oauth_revoke_token.do and note the status.",
    ),
    OpenQuestion(
        "authorization_code_seconds",
        "For how many seconds does an authorization code live?",
        "Needs a person: allow the client in a browser and redeem the code later and later.",
    ),
    OpenQuestion(
        "batch_items_count_against_rate_rule",
        "Does each item of a batch count against a rate rule?",
        "Needs a POST: under a rate rule, send a batch of five reads and look at sys_rate_limit_count.",
    ),
    OpenQuestion(
        "semaphore_slots",
        "How many REST calls does a node work on at once (API_INT), 4 in the vendor's example?",
        _OWNER + "stats.do, available semaphores of the set API_INT.",
    ),
    OpenQuestion(
        "semaphore_queue",
        "How many calls may wait for a semaphore of the node?",
        _OWNER + "stats.do, max queue depth of the set API_INT.",
    ),
    OpenQuestion(
        "full_queue_answers",
        "What is the body of the 429 that a full semaphore queue answers?",
        "Needs a load test on a test instance: keep the body and headers of a 429 without Retry-After.",
    ),
    OpenQuestion(
        "longest_url",
        "How many bytes of path and query does the front end accept?",
        "Longer ones than 16,000 bytes were not tried.",
    ),
    OpenQuestion(
        "long_url_status",
        "Which status has the page that refuses a long URL?",
        "No URL that was tried was refused.",
    ),
    OpenQuestion(
        "unknown_path_status",
        "Which status answers a path that no API serves?",
        "Probe again when the instance answers.",
    ),
)

SALESFORCE: tuple[OpenQuestion, ...] = (
    OpenQuestion(
        "unknown_field_fails_whole_collection",
        "Does an unknown field fail one record of a collection or the whole call?",
        _WRITE + "create two records in one collection, one of them with a field that does not exist.",
    ),
    OpenQuestion(
        "trims_text",
        "Are blanks around a text, or around an external id, cut off when it is written?",
        _WRITE + "write a text that begins with a blank and read it.",
    ),
    OpenQuestion(
        "comments_touch_case",
        "Does a new comment move its case's SystemModstamp?",
        _WRITE + "comment a case and compare its SystemModstamp.",
    ),
    OpenQuestion(
        "equal_update_moves_stamps",
        "Does an update with equal values move LastModifiedDate and SystemModstamp?",
        _WRITE + "update a record with a value it has and compare both.",
    ),
    OpenQuestion(
        "recycle_bin_blocks_unique_values",
        "Does a row in the recycle bin block the values of its unique fields?",
        _WRITE + "delete a record with an external id and create another one with the same.",
    ),
    OpenQuestion(
        "conditional_check_in_composite_subrequests",
        "Is If-Unmodified-Since of a composite subrequest obeyed?",
        _WRITE + "send a composite PATCH with httpHeaders If-Unmodified-Since before the last change.",
    ),
    OpenQuestion(
        "if_unmodified_since_grain",
        "To how many seconds do conditional headers compare a row's time?",
        _WRITE + "update twice, ten seconds apart, the second time with If-Unmodified-Since between.",
    ),
    OpenQuestion(
        "cursor_lifetime_minutes",
        "For how many minutes does a query's cursor live: two days (help) or 15 minutes (SOAP guide)?",
        "Needs a wait: read the next page of a query after 20 minutes and after a day.",
    ),
    OpenQuestion(
        "reuses_sessions",
        "Does a second login return the session of the first?",
        "Needs two logins: log in twice with the same app and compare the tokens.",
    ),
    OpenQuestion(
        "password_grant",
        "Is the password grant open, or blocked as in orgs made since Summer '23?",
        _OWNER + "Setup, OAuth and OpenID Connect Settings, Allow OAuth Username-Password Flows.",
    ),
    OpenQuestion(
        "logins_count_as_calls",
        "Does a token request count as one of the org's daily API requests?",
        "Needs a quiet org: read limits, log in ten times, read limits an hour later.",
    ),
)

QUESTIONS: Mapping[Side, tuple[OpenQuestion, ...]] = {
    Side.SERVICENOW: SERVICENOW,
    Side.SALESFORCE: SALESFORCE,
}
