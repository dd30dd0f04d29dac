// Package libvirt answers for the binding of the same name that Minikube's kvm2 driver is written against.
//
// The real one needs a C compiler and turns cgo on, and then no compiled package is shared with the
// other programs. The clusters made here use the docker driver; kvm2 says that this build has none.
package libvirt

import "errors"

var errNoLibvirt = errors.New("this build of Minikube has no libvirt: use --driver=docker")

type (
	// Connect is a connection to a hypervisor: there is none, so no value of it is ever returned.
	Connect struct{}
	// Domain is a virtual machine.
	Domain struct{}
	// Network is a virtual network.
	Network struct{}

	DomainState                int
	DomainXMLFlags             uint
	DomainShutdownFlags        uint
	DomainUndefineFlagsValues  uint
	NetworkUpdateCommand       uint
	NetworkUpdateSection       uint
	NetworkUpdateFlags         uint
	ConnectListAllDomainsFlags uint
	ErrorNumber                int
)

// Values follow libvirt's C headers.
const (
	DOMAIN_NOSTATE     DomainState = 0
	DOMAIN_RUNNING     DomainState = 1
	DOMAIN_BLOCKED     DomainState = 2
	DOMAIN_PAUSED      DomainState = 3
	DOMAIN_SHUTDOWN    DomainState = 4
	DOMAIN_SHUTOFF     DomainState = 5
	DOMAIN_CRASHED     DomainState = 6
	DOMAIN_PMSUSPENDED DomainState = 7

	DOMAIN_XML_SECURE   DomainXMLFlags = 1
	DOMAIN_XML_INACTIVE DomainXMLFlags = 2

	DOMAIN_SHUTDOWN_DEFAULT        DomainShutdownFlags = 0
	DOMAIN_SHUTDOWN_ACPI_POWER_BTN DomainShutdownFlags = 1

	DOMAIN_UNDEFINE_KEEP_NVRAM DomainUndefineFlagsValues = 8

	DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE DomainInterfaceAddressesSource = 0
	DOMAIN_INTERFACE_ADDRESSES_SRC_ARP   DomainInterfaceAddressesSource = 2

	NETWORK_UPDATE_COMMAND_DELETE   NetworkUpdateCommand = 2
	NETWORK_UPDATE_COMMAND_ADD_LAST NetworkUpdateCommand = 3
	NETWORK_SECTION_IP_DHCP_HOST    NetworkUpdateSection = 4
	NETWORK_UPDATE_AFFECT_LIVE      NetworkUpdateFlags   = 1
	NETWORK_UPDATE_AFFECT_CONFIG    NetworkUpdateFlags   = 2

	ERR_OK             ErrorNumber = 0
	ERR_INTERNAL_ERROR ErrorNumber = 1
	ERR_NO_NETWORK     ErrorNumber = 43
)

// DomainInterfaceAddressesSource says where addresses are read from.
type DomainInterfaceAddressesSource uint

// Error is libvirt's error.
type Error struct {
	Code    ErrorNumber
	Message string
}

func (e Error) Error() string { return e.Message }

// DomainIPAddress is one address of an interface.
type DomainIPAddress struct {
	Type   int
	Addr   string
	Prefix uint
}

// DomainInterface is an interface of a virtual machine.
type DomainInterface struct {
	Name   string
	Hwaddr string
	Addrs  []DomainIPAddress
}

// NetworkDHCPLease is a lease of a virtual network.
type NetworkDHCPLease struct {
	Iface    string
	Mac      string
	IPaddr   string
	Hostname string
}

// NewConnect always fails: see the package's comment.
func NewConnect(string) (*Connect, error) { return nil, errNoLibvirt }

func (c *Connect) Close() (int, error)                          { return 0, errNoLibvirt }
func (c *Connect) GetLibVersion() (uint32, error)               { return 0, errNoLibvirt }
func (c *Connect) LookupDomainByName(string) (*Domain, error)   { return nil, errNoLibvirt }
func (c *Connect) DomainDefineXML(string) (*Domain, error)      { return nil, errNoLibvirt }
func (c *Connect) ListDefinedDomains() ([]string, error)        { return nil, errNoLibvirt }
func (c *Connect) LookupNetworkByName(string) (*Network, error) { return nil, errNoLibvirt }
func (c *Connect) NetworkDefineXML(string) (*Network, error)    { return nil, errNoLibvirt }
func (c *Connect) ListAllDomains(ConnectListAllDomainsFlags) ([]Domain, error) {
	return nil, errNoLibvirt
}

func (d *Domain) Free() error                                   { return errNoLibvirt }
func (d *Domain) Create() error                                 { return errNoLibvirt }
func (d *Domain) Destroy() error                                { return errNoLibvirt }
func (d *Domain) Shutdown() error                               { return errNoLibvirt }
func (d *Domain) ShutdownFlags(DomainShutdownFlags) error       { return errNoLibvirt }
func (d *Domain) UndefineFlags(DomainUndefineFlagsValues) error { return errNoLibvirt }
func (d *Domain) GetName() (string, error)                      { return "", errNoLibvirt }
func (d *Domain) GetState() (DomainState, int, error)           { return 0, 0, errNoLibvirt }
func (d *Domain) GetXMLDesc(DomainXMLFlags) (string, error)     { return "", errNoLibvirt }
func (d *Domain) ListAllInterfaceAddresses(DomainInterfaceAddressesSource) ([]DomainInterface, error) {
	return nil, errNoLibvirt
}

func (n *Network) Free() error                                { return errNoLibvirt }
func (n *Network) Create() error                              { return errNoLibvirt }
func (n *Network) Destroy() error                             { return errNoLibvirt }
func (n *Network) Undefine() error                            { return errNoLibvirt }
func (n *Network) IsActive() (bool, error)                    { return false, errNoLibvirt }
func (n *Network) GetAutostart() (bool, error)                { return false, errNoLibvirt }
func (n *Network) SetAutostart(bool) error                    { return errNoLibvirt }
func (n *Network) GetXMLDesc(uint) (string, error)            { return "", errNoLibvirt }
func (n *Network) GetDHCPLeases() ([]NetworkDHCPLease, error) { return nil, errNoLibvirt }
func (n *Network) Update(NetworkUpdateCommand, NetworkUpdateSection, int, string, NetworkUpdateFlags) error {
	return errNoLibvirt
}
