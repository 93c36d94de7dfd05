"""What kube-scheduler and the autoscaler of one cluster would do with a gang."""
