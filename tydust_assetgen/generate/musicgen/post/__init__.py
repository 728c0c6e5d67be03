"""What happens to the samples of a performance: joins, level, width."""
