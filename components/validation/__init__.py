"""What data validation says: schema, anomalies, drift and outliers, in words."""
