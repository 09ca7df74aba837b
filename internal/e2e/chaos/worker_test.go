package chaos

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/halosync/halosync/internal/devstack"
)

// supervisor runs a worker process and restarts it when it ends, as systemd
// does.
type supervisor struct {
	env []string
	log devstack.Output // output of all its processes

	mu      sync.Mutex // locked during a fault, so that only one fault happens at a time
	process *process   // guarded by the mutex now
	now     sync.Mutex
	pause   time.Duration // delay before the next start; guarded by the mutex now
	closing chan struct{}
	over    sync.WaitGroup

	// The map ended counts processes by how they ended. The mutex called now guards it.
	ended map[string]int
}

// process is one worker process.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// restartPause is the default delay before a restart.
const restartPause = 300 * time.Millisecond

func newSupervisor(env []string) *supervisor {
	s := &supervisor{env: env, pause: restartPause, closing: make(chan struct{}), ended: map[string]int{}}
	s.over.Go(s.keepRunning)
	return s
}

func (s *supervisor) keepRunning() {
	for {
		select {
		case <-s.closing:
			return
		default:
		}
		p, err := s.start()
		if err != nil {
			_, _ = s.log.Write([]byte("start: " + err.Error() + "\n"))
		} else {
			<-p.done
			s.now.Lock()
			s.ended[p.cmd.ProcessState.String()]++
			s.now.Unlock()
		}
		s.now.Lock()
		pause := s.pause
		s.pause = restartPause
		s.now.Unlock()
		select {
		case <-s.closing:
			return
		case <-time.After(pause):
		}
	}
}

func (s *supervisor) start() (*process, error) {
	p := &process{cmd: exec.Command(filepath.Join(kit.bin, "worker")), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), s.env...)
	p.cmd.Stdout, p.cmd.Stderr = &s.log, &s.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.now.Lock()
	defer s.now.Unlock()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	s.process = p
	go func() {
		_ = p.cmd.Wait() // ProcessState has the result
		close(p.done)
	}()
	return p, nil
}

// current returns the current process, or else the last one. It returns nil if none has
// started.
func (s *supervisor) current() *process {
	s.now.Lock()
	defer s.now.Unlock()
	return s.process
}

// pauseNext sets the time before the next restart.
func (s *supervisor) pauseNext(d time.Duration) {
	s.now.Lock()
	defer s.now.Unlock()
	s.pause = d
}

// signal sends a signal to the current process.
func (s *supervisor) signal(sig os.Signal) {
	if p := s.current(); p != nil {
		_ = p.cmd.Process.Signal(sig) // an error means that the process has just ended
	}
}

// ready reports whether a process is ready for work.
func (s *supervisor) ready() bool { return strings.Contains(s.log.String(), `"msg":"worker started"`) }

// close ends the process without restarting it.
func (s *supervisor) close() {
	close(s.closing)
	s.signal(syscall.SIGCONT)
	s.signal(syscall.SIGTERM)
	gone := make(chan struct{})
	go func() { s.over.Wait(); close(gone) }()
	select {
	case <-gone:
	case <-time.After(30 * time.Second):
		s.signal(syscall.SIGKILL)
		<-gone
	}
}

// tail returns the end of the log.
func (s *supervisor) tail() string {
	text := s.log.String()
	return text[max(0, len(text)-2000):]
}
