"""What does not keep an architecture rule yet. Nothing may be added; what is mended is taken off."""

from __future__ import annotations

# Rule → the first word of each finding.
STILL_OPEN: dict[str, frozenset[str]] = {
    "files_fit_into_one_reading": frozenset(
        {
            "services/adapter_wechat/client.py",
            "services/adapter_wechat/localise.py",
            "tests/feedback_collector/test_stage.py",
        }
    ),
    "constructors_take_few_parameters": frozenset({}),
}
