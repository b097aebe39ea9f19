"""A simulated Salesforce org: OAuth, describe, SOQL, sObject rows and collections over the real wire shapes."""
