"""The operator: bootstraps, watches, rolls, scales, backs up and restores clusters of Proconsul."""
