// Command storage-provisioner serves Minikube's default StorageClass from a directory of the node.
//
// The main program that Minikube ships locks an Endpoints object for its leader election, which current
// client libraries refuse. There is one provisioner in a one-node cluster, so it needs no election.
package main

import (
	"context"
	"log"
	"os/signal"
	"syscall"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/minikube/pkg/storage"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v6/controller"
)

const (
	provisionerName = "k8s.io/minikube-hostpath"
	volumesDir      = "/tmp/hostpath-provisioner"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	config, err := rest.InClusterConfig()
	if err != nil {
		log.Fatalf("this program runs in a pod of the cluster: %v", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		log.Fatalf("client of the API server: %v", err)
	}
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		log.Fatalf("version of the API server: %v", err)
	}
	provisioner := storage.NewHostPathProvisioner(volumesDir)
	controller.NewProvisionController(client, provisionerName, provisioner, version.GitVersion,
		controller.LeaderElection(false)).Run(ctx)
}
