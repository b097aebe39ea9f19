"""What an error code means and what to do about it, for dead letters and pages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advice:
    rule: str  # what the platform enforces
    advice: str  # what a person can do


_UNKNOWN = Advice(
    "The platform refused the record.",
    "Read the platform's message, correct the record or the mapping, then retry.",
)

# Salesforce: REST API Developer Guide, "Status Codes and Error Responses"; ServiceNow: the details of its 403s.
_ADVICE: dict[str, Advice] = {
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": Advice(
        "The picklist accepts only its listed values.",
        "Add the value to the picklist (and the record type), or map it to a listed one in the flow's value map.",
    ),
    "STRING_TOO_LONG": Advice(
        "The text is longer than the field.",
        "Cut it in the mapping row, or lengthen the field in Salesforce.",
    ),
    "REQUIRED_FIELD_MISSING": Advice(
        "A required field has no value.", "Map the field or give its row a default, or fill it at the source."
    ),
    "INACTIVE_OWNER_OR_USER": Advice(
        "An inactive user cannot own or be set on a record.",
        "Activate the user, or map the person to another user or a fallback queue in the user table.",
    ),
    "INVALID_CROSS_REFERENCE_KEY": Advice(
        "The id names no record that the integration user can see, or one that may not stand here.",
        "Check the mapped owner or reference; a queue must support the object.",
    ),
    "MALFORMED_ID": Advice(
        "The value is not an id of the expected object.", "Check the mapping row of this reference."
    ),
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": Advice(
        "A validation rule of your org refused the record.",
        "Read the rule's message; correct the record, or exempt the integration user in the rule.",
    ),
    "FIELD_INTEGRITY_EXCEPTION": Advice(
        "Fields of the record contradict each other.",
        "Correct the combination of values named in the message.",
    ),
    "FIELD_FILTER_VALIDATION_EXCEPTION": Advice(
        "A lookup filter does not accept the value.",
        "Choose a value that the filter accepts, or change the filter.",
    ),
    "DUPLICATE_VALUE": Advice(
        "Another record holds this unique value.",
        "Find that record; pair it with this one, or free the value.",
    ),
    "DRAFT_IN_PROGRESS": Advice(
        "An article has one draft, and somebody else's is not published by us.",
        "Publish or discard the draft in Salesforce, then retry.",
    ),
    "DUPLICATES_DETECTED": Advice(
        "A duplicate rule refused the record.",
        "Merge the duplicates, or exempt the integration user in the rule.",
    ),
    "DUPLICATE_EXTERNAL_ID": Advice(
        "Several records carry the same external id.", "Remove the duplicates and declare the field unique."
    ),
    "INSUFFICIENT_ACCESS_OR_READONLY": Advice(
        "The integration user may not write this record.",
        "Give its permission set edit access, or share the record.",
    ),
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": Advice(
        "The integration user may not use the record that is referred to.",
        "Give it access to the owner, account or contact that the record refers to.",
    ),
    "INSUFFICIENT_ACCESS": Advice(
        "The integration user lacks a permission.",
        "Compare its permission set with the list in the documentation.",
    ),
    "INVALID_FIELD": Advice(
        "The field does not exist, or the integration user cannot see it.",
        "Check the field's name in the mapping and field-level security in Salesforce.",
    ),
    "INVALID_FIELD_FOR_INSERT_UPDATE": Advice(
        "The field is read-only for the integration user.",
        "Remove it from the mapping, or grant edit access to it.",
    ),
    "INVALID_TYPE": Advice(
        "The object does not exist, or the integration user cannot see it.",
        "Check the object's name and permissions.",
    ),
    "INVALID_TYPE_ON_FIELD_IN_RECORD": Advice(
        "The value has the wrong type for the field.", "Convert it with a step of the mapping row."
    ),
    "JSON_PARSER_ERROR": Advice(
        "The value has the wrong type for the field.", "Convert it with a step of the mapping row."
    ),
    "NUMBER_OUTSIDE_VALID_RANGE": Advice(
        "The number does not fit the field.", "Correct it, or widen the field."
    ),
    "INVALID_EMAIL_ADDRESS": Advice("The text is not an e-mail address.", "Correct it at the source."),
    "UNABLE_TO_LOCK_ROW": Advice(
        "Another transaction held the record or its parent.",
        "Nothing: it is retried. If it persists, look for a bulk job.",
    ),
    "ENTITY_IS_DELETED": Advice(
        "The record is in the recycle bin.",
        "Restore it, or let the flow's deletion policy decide about its counterpart.",
    ),
    "NOT_FOUND": Advice(
        "The record does not exist, or the integration user cannot see it.",
        "Look for it as an administrator; restore access or unlink the pair.",
    ),
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": Advice(
        "A trigger or flow of your org failed.", "Read its message; the automation's owner has to correct it."
    ),
    "CANNOT_EXECUTE_FLOW_TRIGGER": Advice(
        "A flow of your org failed.", "Read its message; the automation's owner has to correct it."
    ),
    "PRECONDITION_FAILED": Advice(
        "Somebody changed the record after it was read.", "Nothing: it is read and merged again."
    ),
    "DELETE_FAILED": Advice("Other records depend on this one.", "Remove them first, or keep the record."),
    "ACL": Advice(
        "An access control of ServiceNow refused the write.",
        "Give the integration user the role that the rule asks for.",
    ),
    "DATA_POLICY": Advice(
        "A data policy of ServiceNow refused the record.",
        "Map the fields that the policy demands; resolving an incident needs close code and close notes together.",
    ),
    "BUSINESS_RULE": Advice(
        "A business rule of ServiceNow aborted the write.",
        "Read its name in the message and ask the rule's owner.",
    ),
    "API_ACL": Advice(
        "The user may not use this API.",
        "Give it snc_platform_rest_api_access, or the scope that the API asks for.",
    ),
    "BAD_REQUEST": Advice(
        "The platform could not read the request.", "Read its message; check table and fields."
    ),
    "FORBIDDEN": Advice(
        "The platform refused the write.", "Read its message; check the integration user's roles."
    ),
    "UNSUPPORTED_OPERATION": Advice("This connection cannot do that.", "Change the flow's policy."),
    # Our own: no value could be made for the field, so the platform was not asked.
    "UNMAPPED_VALUE": Advice(
        "The value map has no entry for the value.",
        "Add the value to the value map, or let it take a default, then retry.",
    ),
    "UNMAPPED_USER": Advice(
        "The user table has no active counterpart for the person.",
        "Add the person to the user table, or give the table a fallback, then retry.",
    ),
    "NO_OWNER": Advice(
        "Nobody is assigned, and the user table has no fallback.",
        "Give the user table a fallback, then retry.",
    ),
    "REQUIRED_SOURCE_EMPTY": Advice(
        "The mapping requires a value, and the source has none.",
        "Fill it at the source or give the row a default, then retry.",
    ),
    "NOT_A_NUMBER": Advice(
        "The value is not a number.", "Correct it at the source, or the mapping row, then retry."
    ),
    "NOT_A_DATE": Advice(
        "The value is not a date or time.", "Correct it at the source, or the mapping row, then retry."
    ),
    "NOT_ONE_VALUE": Advice(
        "The field holds several values where one is expected.", "Correct the mapping row, then retry."
    ),
    "INVALID_VALUE": Advice(
        "The mapping cannot carry the value.", "Correct it at its source, or the mapping, then retry."
    ),
    "ADOPT_REFUSED": Advice(
        "A differing record with this key exists, and the flow refuses to adopt it.",
        "Make the two equal, or choose in the flow whose values count when records meet.",
    ),
}
_ANY_FILE = Advice(
    "The platform does not take the file.",
    "Read its message. Let the platform take such files, or leave them behind in the flow's attachments, then retry.",
)
# Of files alone, or of codes that mean something else for a file.
_FILES: dict[str, Advice] = {
    "HTTP_413": Advice(
        "The file is larger than ServiceNow takes.",
        "Raise com.glide.attachment.max_size there, or lower max_size in the flow's attachments, then retry.",
    ),
    "BAD_REQUEST": Advice(
        "ServiceNow does not take the file.",
        "Read its message. A type that is not allowed can be added to glide.attachment.extensions, or left behind by "
        "the flow's attachments; then retry.",
    ),
    "FILE_SIZE_LIMIT_EXCEEDED": Advice(
        "The file is larger than Salesforce takes.",
        "Lower max_size in the flow's attachments, or make the file smaller.",
    ),
    "STORAGE_LIMIT_EXCEEDED": Advice(
        "The org's file storage is full.", "Free space in Salesforce or add to it, then retry."
    ),
    "REQUIRED_FIELD_MISSING": Advice(
        "Salesforce takes no empty file.",
        "Ignore this dead letter, or leave such files behind in the flow's attachments.",
    ),
    "FILE_NOT_READABLE": Advice(
        "The integration user may not read the file.",
        "Let it read the files of the record (ServiceNow: sys_attachment; Salesforce: Query All Files), then retry.",
    ),
    "PATIENCE_ENDED": Advice(
        "The file could not be carried within the flow's patience.",
        "Read the message. A file that is too large for the line can be left behind by max_size; else retry.",
    ),
    **{
        code: Advice(
            "The integration user may not add files to the record.",
            "ServiceNow: give it create on sys_attachment and write on the record. Salesforce: edit access to the record.",
        )
        for code in (
            "ACL",
            "FORBIDDEN",
            "INSUFFICIENT_ACCESS",
            "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
        )
    },
}
# Families of codes that share one answer, longest prefix first.
_FAMILIES = ("INSUFFICIENT_ACCESS", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY")


def rule_and_advice(code: str) -> Advice:
    """The advice for a refusal's code; a general one for a code without its own."""
    if known := _ADVICE.get(code):
        return known
    family = next((name for name in _FAMILIES if code.startswith(name)), "")
    return _ADVICE.get(family, _UNKNOWN)


def file_advice(code: str) -> Advice:
    """The same for a file that was refused."""
    if known := _FILES.get(code):
        return known
    found = rule_and_advice(code)
    return _ANY_FILE if found is _UNKNOWN else found
