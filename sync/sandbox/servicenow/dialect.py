"""How this instance differs from the next, where no public source tells how an instance is."""

from __future__ import annotations

from dataclasses import dataclass

from sync.sandbox.dialects import ANY_NUMBER, switch

# Switches that an administrator of a real instance turns by a system property.
PROPERTIES = {
    "invalid_query_returns_no_rows": "glide.invalid_query.returns_no_rows",
    "choice_allows_unknown": "glide.rest.choice.allow_non_existing_value",
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """The switches of an instance; what each asks and does is said at each."""

    # Queries

    invalid_query_returns_no_rows: bool = switch(
        False,
        "Does a query with an unknown field return no rows (glide.invalid_query.returns_no_rows)?",
        {"false": "the term is dropped and the result grows", "true": "no row is returned"},
    )
    not_equal_returns_empty: bool = switch(
        True,
        "Do !=, NOT IN and NOT LIKE return rows where the column is empty?",
        {"true": "empty values pass", "false": "empty values do not pass, as NULL in a database"},
    )
    string_comparison_case_sensitive: bool = switch(
        False,
        "Do queries tell upper from lower case in text columns?",
        {"false": "they do not, as the usual database collations", "true": "they do"},
    )
    order_spans_union: bool = switch(
        True,
        "Does ORDERBY order the whole result of queries joined by ^NQ?",
        {
            "true": "the union is one ordered list",
            "false": "each query's rows follow those of the one before",
        },
    )
    aggregates_count_hidden_rows: bool = switch(
        True,
        "Does the Aggregate API count rows that access rules hide from the caller?",
        {"true": "as X-Total-Count does", "false": "only rows the caller may read"},
    )
    no_count_omits_total: bool = switch(
        True,
        "Does sysparm_no_count remove the header X-Total-Count?",
        {"true": "no header", "false": "the header stays and is right"},
    )
    reads_own_writes_late: int = switch(
        0,
        "After how many seconds does a list show what a caller has just written (reads from a replica)?",
        {"0": "at once", ANY_NUMBER: "a list shows rows as they were so many seconds ago"},
    )

    # Writes

    client_chosen_sys_id: bool = switch(
        True,
        "May an insert bring its own sys_id?",
        {"true": "it is taken", "false": "it is ignored and another one is given"},
    )
    second_insert_under_one_sys_id: str = switch(
        "unique_key",
        "What does a second insert under one sys_id answer?",
        {
            "unique_key": "403 with the words Unique Key violation",
            "plain": "403 without these words",
            "conflict": "409",
        },
    )
    iso_stamp_written_becomes_empty: bool = switch(
        True,
        "Does an ISO 8601 stamp become empty when it is written?",
        {"true": "the field is emptied without a word", "false": "the stamp is understood"},
    )
    overlong_text_is_cut: bool = switch(
        True,
        "Is text that is longer than its column cut without a word?",
        {"true": "it is cut", "false": "the write is refused with 403"},
    )
    update_that_changes_nothing_stamps: bool = switch(
        False,
        "Does an update with equal values move sys_updated_on and sys_mod_count?",
        {"false": "nothing moves", "true": "both move"},
    )
    choice_allows_unknown: bool = switch(
        False,
        "Is a value outside its choice list stored (glide.rest.choice.allow_non_existing_value)?",
        {"false": "it is dropped", "true": "it is stored"},
    )
    closed_incident_is_frozen: bool = switch(
        False,
        "Is a closed incident closed to the role itil, too?",
        {"false": "itil may write it", "true": "403, ACL Exception"},
    )
    itil_deletes_incidents: bool = switch(
        False,
        "May the role itil delete incidents?",
        {"false": "403, ACL Exception", "true": "it may"},
    )
    attachment_touches_record: bool = switch(
        False,
        "Does a new attachment move the record's sys_updated_on?",
        {"false": "the record's stamps stay", "true": "sys_updated_on and sys_mod_count move"},
    )

    undelete_stamps_record: bool = switch(
        False,
        "Does undeleting a record move its sys_updated_on?",
        {"false": "its stamps come back as they were", "true": "it is stamped as by a write"},
    )
    article_edit_makes_new_row: bool = switch(
        False,
        "Does an edit of a knowledge article make a new row with the same number?",
        {"false": "its row changes", "true": "the row stays, another one has the edit and another sys_id"},
    )
    closing_change_needs_result: bool = switch(
        True,
        "Does closing a change need close_code and close_notes, whatever its model?",
        {"true": "403, Data Policy Exception, without them", "false": "it does not"},
    )
    import_set_role: str = switch(
        "either",
        "Which role does the Import Set API ask for?",
        {
            "either": "import_set_loader or import_transformer",
            "import_set_loader": "that one",
            "import_transformer": "that one",
        },
    )

    # Logins

    oauth_failures_name_their_cause: bool = switch(
        False,
        "Do refused token requests name their cause as RFC 6749 has it?",
        {
            "false": "401 server_error, access_denied, whatever was wrong",
            "true": "invalid_client (401), unsupported_grant_type or invalid_grant (400)",
        },
    )
    client_may_come_by_basic: bool = switch(
        True,
        "May a token request name the application by HTTP Basic instead of its body?",
        {"true": "it may", "false": "the body alone counts"},
    )

    web_only_users_have_client_credentials: bool = switch(
        True,
        "May a user marked Web service access only be the user of client credentials or a JWT?",
        {"true": "it may", "false": "refused as the password grant is"},
    )
    client_credentials_gives_refresh_token: bool = switch(
        False,
        "Does the client credentials grant answer a refresh token?",
        {"false": "an access token alone", "true": "both"},
    )
    revoked_unknown_token_status: int = switch(
        200,
        "What does revoking an unknown token answer?",
        {"200": "200, as RFC 7009 has it", "400": "400"},
    )
    authorization_code_seconds: int = switch(
        60,
        "For how many seconds does an authorization code live?",
        {ANY_NUMBER: "so many seconds"},
    )

    # Limits

    batch_items_count_against_rate_rule: bool = switch(
        True,
        "Does each item of a batch count against a rate rule?",
        {"true": "each counts, and the batch itself", "false": "the batch alone counts"},
    )
    semaphore_slots: int = switch(
        0,
        "How many REST calls does a node work on at once (API_INT), 4 in the vendor's example?",
        {"0": "as many as come", ANY_NUMBER: "so many; the others wait"},
    )
    semaphore_queue: int = switch(
        50,
        "How many calls may wait for a semaphore of the node?",
        {ANY_NUMBER: "so many wait, the next is answered 429 at once"},
    )
    full_queue_answers: str = switch(
        "html",
        "What is the body of the 429 that a full semaphore queue answers?",
        {"html": "an HTML page", "json": "the usual JSON error", "empty": "nothing"},
    )
    longest_url: int = switch(
        0,
        "How many bytes of path and query does the front end accept?",
        {"0": "any", ANY_NUMBER: "a longer one is refused with an HTML page"},
    )
    long_url_status: int = switch(
        414,
        "Which status has the page that refuses a long URL?",
        {"414": "414", "400": "400"},
    )
    unknown_path_status: int = switch(
        400,
        "Which status answers a path that no API serves?",
        {"400": "400", "404": "404"},
    )
