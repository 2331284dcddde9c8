"""Rules from one ledger record to the next. Pure."""
