"""Library of the adapters: contract, worker, ledger, errors, budgets, credentials, registry."""
