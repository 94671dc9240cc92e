"""What a build log means."""
