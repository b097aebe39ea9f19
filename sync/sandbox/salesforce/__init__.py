"""A simulated Salesforce org: OAuth, describe, SOQL, sObject rows and collections over the real wire shapes."""

from sync.sandbox.salesforce.platform import SalesforcePlatform, build

__all__ = ["SalesforcePlatform", "build"]
