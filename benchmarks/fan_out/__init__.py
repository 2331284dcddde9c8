"""How fast a content fans out: from acceptance to the call at the platform."""
