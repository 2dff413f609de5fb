"""The one train and eval harness: alone touches devices, random state and run folders."""
