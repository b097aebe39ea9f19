"""A simulated Salesforce org: OAuth, describe, SOQL, sObject rows and collections in real wire shapes."""

from sync.sandbox.salesforce.platform import SalesforcePlatform, build

__all__ = ["SalesforcePlatform", "build"]
