"""What the Evaluator computes and demands of each family, and paired differences to the baseline."""
