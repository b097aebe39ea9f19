"""What reading alone can tell about a real instance or org, for a report to the people who run it."""

from sync.probing.report import Answer, Fact, Report
from sync.probing.run import probe

__all__ = ["Answer", "Fact", "Report", "probe"]
