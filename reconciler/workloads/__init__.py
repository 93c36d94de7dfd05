"""What users ask for: files to objects, objects to groups, what they refer to, what tenant and policy make of them."""
