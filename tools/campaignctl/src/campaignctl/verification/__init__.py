"""The promises held against what was dialed: three witnesses, and one verdict for each promise."""

from campaignctl.verification.ledgers import Ledgers
from campaignctl.verification.oracles import verify
from campaignctl.verification.verdicts import Promise, Verdicts, Word

__all__ = ["Ledgers", "Promise", "Verdicts", "Word", "verify"]
