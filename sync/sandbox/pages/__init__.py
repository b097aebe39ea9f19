"""Pages on which a person sees and plays the other side: a platform's records in a browser, on its own server.

`site` answers requests, `access` decides who may, `desk` names what the pages ask of a platform, `servicenow` and
`salesforce` answer that, the rest draws. Nothing here is the vendor's product, and the pages say so.
"""

from sync.sandbox.pages.site import Pages, make_pages
from sync.sandbox.pages.views import UI_PREFIX

__all__ = ["UI_PREFIX", "Pages", "make_pages"]
