"""AWS on one machine: MiniStack in this process, and what it lacks."""
