"""A simulated ServiceNow and Salesforce that speak the real wire protocols over TLS on loopback.

Nothing here knows the console: the two meet on the wire alone, so that the console's tests prove what it
says to the platforms and not what it says to itself.
"""
