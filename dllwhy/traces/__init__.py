"""What a loader was seen to do, beside what the model predicts."""
