package main

import (
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	utilcompatibility "k8s.io/apiserver/pkg/util/compatibility"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/compatibility"
	"k8s.io/kubernetes/pkg/generated/openapi"
	"sigs.k8s.io/metrics-server/pkg/api"
	"sigs.k8s.io/metrics-server/pkg/scraper/client"
	"sigs.k8s.io/metrics-server/pkg/server"
)

// metricsServerOptions are the flags that upstream's deployment manifest sets.
type metricsServerOptions struct {
	serving              *genericoptions.SecureServingOptionsWithLoopback
	authentication       *genericoptions.DelegatingAuthenticationOptions
	authorization        *genericoptions.DelegatingAuthorizationOptions
	resolution           time.Duration
	kubeletTimeout       time.Duration
	kubeletPort          int
	kubeletInsecureTLS   bool
	kubeletAddressTypes  []string
	kubeletUseStatusPort bool
}

// newMetricsServerCommand is metrics-server's server behind a command of our own.
//
// Upstream's command links an OpenAPI table generated for a later API machinery; Kubernetes' own table
// describes the metrics API as well, so the server compiles against the libraries of this release.
func newMetricsServerCommand() *cobra.Command {
	o := &metricsServerOptions{
		serving:        genericoptions.NewSecureServingOptions().WithLoopback(),
		authentication: genericoptions.NewDelegatingAuthenticationOptions(),
		authorization:  genericoptions.NewDelegatingAuthorizationOptions(),
	}
	cmd := &cobra.Command{
		Use:          "metrics-server",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.resolution < 10*time.Second {
				return fmt.Errorf("--metric-resolution is %s: at least 10s", o.resolution)
			}
			config, err := o.config()
			if err != nil {
				return err
			}
			s, err := config.Complete()
			if err != nil {
				return err
			}
			return s.RunUntil(genericapiserver.SetupSignalHandler())
		},
	}
	f := cmd.Flags()
	o.serving.AddFlags(f)
	o.authentication.AddFlags(f)
	o.authorization.AddFlags(f)
	f.DurationVar(&o.resolution, "metric-resolution", time.Minute, "time between two scrapes of a kubelet")
	f.DurationVar(&o.kubeletTimeout, "kubelet-request-timeout", 10*time.Second, "limit of one scrape")
	f.IntVar(&o.kubeletPort, "kubelet-port", 10250, "port of the kubelets")
	f.BoolVar(&o.kubeletInsecureTLS, "kubelet-insecure-tls", false, "accept a kubelet's self-signed certificate")
	f.StringSliceVar(&o.kubeletAddressTypes, "kubelet-preferred-address-types", []string{"InternalIP", "Hostname"}, "which of a node's addresses to use, first match")
	f.BoolVar(&o.kubeletUseStatusPort, "kubelet-use-node-status-port", false, "use the port in the node's status")
	return cmd
}

func (o *metricsServerOptions) config() (*server.Config, error) {
	apiserver, err := o.apiserverConfig()
	if err != nil {
		return nil, err
	}
	clientConfig, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("metrics-server runs in a pod of the cluster: %w", err)
	}
	clientConfig.ContentType = "application/vnd.kubernetes.protobuf"
	if err := rest.SetKubernetesDefaults(clientConfig); err != nil {
		return nil, err
	}

	kubelet := &client.KubeletClientConfig{
		Scheme:            "https",
		DefaultPort:       o.kubeletPort,
		UseNodeStatusPort: o.kubeletUseStatusPort,
		Client:            *rest.CopyConfig(clientConfig),
	}
	for _, t := range o.kubeletAddressTypes {
		kubelet.AddressTypePriority = append(kubelet.AddressTypePriority, corev1.NodeAddressType(t))
	}
	if o.kubeletInsecureTLS {
		kubelet.Client.TLSClientConfig.Insecure = true
		kubelet.Client.TLSClientConfig.CAData = nil
		kubelet.Client.TLSClientConfig.CAFile = ""
	}
	return &server.Config{
		Apiserver:        apiserver,
		Rest:             clientConfig,
		Kubelet:          kubelet,
		MetricResolution: o.resolution,
		ScrapeTimeout:    o.kubeletTimeout,
	}, nil
}

func (o *metricsServerOptions) apiserverConfig() (*genericapiserver.Config, error) {
	if err := o.serving.MaybeDefaultWithSelfSignedCerts("localhost", nil, []net.IP{net.IPv4(127, 0, 0, 1)}); err != nil {
		return nil, fmt.Errorf("serving certificate: %w", err)
	}
	run := genericoptions.NewServerRunOptionsForComponent("metrics server", compatibility.NewComponentGlobalsRegistry())
	if err := run.ComponentGlobalsRegistry.Set(); err != nil {
		return nil, err
	}
	config := genericapiserver.NewConfig(api.Codecs)
	if err := run.ApplyTo(config); err != nil {
		return nil, err
	}
	if err := o.serving.ApplyTo(&config.SecureServing, &config.LoopbackClientConfig); err != nil {
		return nil, err
	}
	if err := o.authentication.ApplyTo(&config.Authentication, config.SecureServing, nil); err != nil {
		return nil, err
	}
	if err := o.authorization.ApplyTo(&config.Authorization); err != nil {
		return nil, err
	}
	namer := openapinamer.NewDefinitionNamer(api.Scheme)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(openapi.GetOpenAPIDefinitions, namer)
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(openapi.GetOpenAPIDefinitions, namer)
	config.OpenAPIConfig.Info.Title = "Kubernetes metrics-server"
	config.OpenAPIV3Config.Info.Title = config.OpenAPIConfig.Info.Title
	config.EffectiveVersion = utilcompatibility.DefaultBuildEffectiveVersion()
	return config, nil
}
