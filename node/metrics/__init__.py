"""What this node counts and times: names and words of every metric, cheap tallies, one observer."""
