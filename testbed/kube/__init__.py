"""A real Kubernetes API without a cluster: etcd and kube-apiserver as ordinary processes.

:class:`~testbed.kube.server.ApiServer` is what kubectl and other clients talk to;
:class:`~testbed.kube.crd_server.CrdServer` is where CRDs with CEL rules are enforced, whatever the
API server's age. There is no controller manager and no kubelet: a deleted namespace stays
``Terminating``, nothing collects garbage, and no Pod ever runs.
"""
