"""What the commands that give orders share: how they are sent, and how their answer is shown."""
