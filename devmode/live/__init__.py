"""What a viewer sees, as it happens."""
