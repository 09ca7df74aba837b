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

// seat is a place for a worker process, with somebody who puts a new one there
// whenever it ends, as systemd would.
type seat struct {
	env []string
	log devstack.Output // of all processes that sat here

	mu      sync.Mutex // one fault at a time
	process *process   // guarded by now
	now     sync.Mutex
	pause   time.Duration // before the next start; guarded by now
	closing chan struct{}
	over    sync.WaitGroup

	// ended counts processes by how they ended, guarded by now.
	ended map[string]int
}

// process is one worker.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// restartPause is how long a seat stays empty when nothing else was said.
const restartPause = 300 * time.Millisecond

func newSeat(env []string) *seat {
	s := &seat{env: env, pause: restartPause, closing: make(chan struct{}), ended: map[string]int{}}
	s.over.Go(s.keepTaken)
	return s
}

func (s *seat) keepTaken() {
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

func (s *seat) start() (*process, error) {
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
		_ = p.cmd.Wait() // how it ended is in its state
		close(p.done)
	}()
	return p, nil
}

// current is the process that sits here, or the last one that did; nil before the first.
func (s *seat) current() *process {
	s.now.Lock()
	defer s.now.Unlock()
	return s.process
}

// pauseNext says how long the seat stays empty after this process.
func (s *seat) pauseNext(d time.Duration) {
	s.now.Lock()
	defer s.now.Unlock()
	s.pause = d
}

// signal sends one to the process that sits here.
func (s *seat) signal(sig os.Signal) {
	if p := s.current(); p != nil {
		_ = p.cmd.Process.Signal(sig) // it may have ended at this moment
	}
}

// ready says whether the process that sits here has begun to work.
func (s *seat) ready() bool { return strings.Contains(s.log.String(), `"msg":"worker started"`) }

// close ends the process for good.
func (s *seat) close() {
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

// tail is the end of what its processes wrote.
func (s *seat) tail() string {
	text := s.log.String()
	return text[max(0, len(text)-2000):]
}
